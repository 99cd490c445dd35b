m4_define([AT_PACKAGE_NAME], [stub])
m4_define([AT_PACKAGE_TARNAME], [stub])
m4_define([AT_PACKAGE_VERSION], [0])
m4_define([AT_PACKAGE_STRING], [stub 0])
m4_define([AT_PACKAGE_BUGREPORT], [nobody])
m4_define([CHECK_CONNTRACK], [])
m4_define([OVS_TRAFFIC_VSWITCHD_START], [sleep () { :; }])
m4_define([ADD_NAMESPACES], [m4_foreach([ns], [$@], [echo "namespace ns" >>"$FAKE/called"
])])
m4_define([ADD_VETH], [echo "veth $1 $2 $3" >>"$FAKE/called"
])
m4_define([NS_CHECK_EXEC], [cat >>"$FAKE/called" <<CALLED_END
$1 $2
CALLED_END
])
m4_define([NETNS_DAEMONIZE], [echo listening > m4_bregexp([$2], [2> \(.*\)], [\1])])
m4_define([OVS_WAIT_UNTIL], [AT_CHECK([$1], [0], [ignore])])
m4_define([OVS_TRAFFIC_VSWITCHD_STOP], [cp flows.txt "$FAKE/"])
