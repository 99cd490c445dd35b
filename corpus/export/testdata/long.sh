#!/bin/sh
# system~tc/ct_state/recirc1/-inv-trk/icmpv6
#
# Reproduces it on a host with Open vSwitch, as root:
#
#     sh repro.sh system    # the kernel datapath: other_config:hw-offload=false
#     sh repro.sh tc        # flows offloaded to TC: other_config:hw-offload=true
#
# Written by ctdiff for trace 096b8d61fc25, seen on debian-11. It needs ovs-vsctl,
# ovs-ofctl, ovs-appctl and ip, and takes some 1 s. It makes two bridges,
# ctdiff-br0 with the rules and ctdiff-br1, which puts packets on the wire, and
# removes them at the end.
set -eu

usage() {
	cat >&2 <<USAGE
Usage: sh $0 system|tc [--yes]

  system   with other_config:hw-offload=false
  tc       with other_config:hw-offload=true
  --yes    change hw-offload if it is not so, which restarts ovs-vswitchd and
           interrupts all bridges of this host, and forget all tracked
           connections, also those of others
USAGE
	exit 2
}

fail() {
	echo "$0: $*" >&2
	exit 1
}

mode='' yes=''
for argument; do
	case $argument in
	system) mode=system wanted=false ;;
	tc) mode=tc wanted=true ;;
	--yes) yes=1 ;;
	*) usage ;;
	esac
done
[ -n "$mode" ] || usage

[ "$(id -u)" = 0 ] || fail "has to be run as root"
missing=''
for tool in ovs-vsctl ovs-ofctl ovs-appctl ip; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || fail "not found:$missing (Debian's packages are openvswitch-switch and iproute2)"
ovs-appctl version >/dev/null || fail "ovs-vswitchd does not run"

numbers="1 2"
for n in $numbers; do
	for device in "p$n" "ctdiff$n"; do
		[ ! -e "/sys/class/net/$device" ] || fail "there is an interface $device already; the rules call their ports p1, p2, ..."
	done
done
for bridge in ctdiff-br0 ctdiff-br1; do
	! ovs-vsctl br-exists "$bridge" || fail "there is a bridge $bridge already: ovs-vsctl del-br $bridge"
done

restart() {
	echo "restarting ovs-vswitchd with hw-offload=$1"
	ovs-vsctl --no-wait set Open_vSwitch . "other_config:hw-offload=$1"
	# Both keep the OpenFlow rules of the other bridges: ovs-ctl(8).
	if [ -d /run/systemd/system ] && systemctl cat ovs-vswitchd.service >/dev/null 2>&1; then
		systemctl reload ovs-vswitchd.service
	elif [ -x /usr/share/openvswitch/scripts/ovs-ctl ]; then
		/usr/share/openvswitch/scripts/ovs-ctl --no-ovsdb-server restart
	else
		fail "no systemd and no ovs-ctl: restart ovs-vswitchd yourself, and then run this again"
	fi
}

# Open vSwitch reads hw-offload when it starts: ovs-vswitchd.conf.db(5).
found=$(ovs-vsctl --if-exists get Open_vSwitch . other_config:hw-offload | tr -d '"')
found=${found:-false}
if [ "$found" != "$wanted" ]; then
	[ -n "$yes" ] || fail "hw-offload is $found, and $mode needs $wanted. That takes a restart of ovs-vswitchd, which interrupts all bridges of this host: say --yes to have it done, and undone at the end"
fi

cleanup() {
	trap - EXIT # some shells would come here again when this fails
	ovs-vsctl --timeout=10 --if-exists del-br ctdiff-br0 -- --if-exists del-br ctdiff-br1 || true
	for n in $numbers; do
		ip link del "p$n" 2>/dev/null || true
	done
	if [ "$found" != "$wanted" ]; then
		restart "$found"
	fi
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$found" != "$wanted" ]; then
	restart "$wanted"
fi

# Ports p1, p2, ... are one end each of a veth pair. ctdiff-br1 has the others.
ovs-vsctl add-br ctdiff-br0 -- set Bridge ctdiff-br0 fail_mode=secure \
	-- add-br ctdiff-br1 -- set Bridge ctdiff-br1 fail_mode=secure
for n in $numbers; do
	ip link add "p$n" type veth peer name "ctdiff$n"
	for device in "p$n" "ctdiff$n"; do
		# The kernel is not to send anything of its own.
		if [ -e "/proc/sys/net/ipv6/conf/$device/disable_ipv6" ]; then
			echo 1 >"/proc/sys/net/ipv6/conf/$device/disable_ipv6"
		fi
		ip link set dev "$device" mtu 1508 up
	done
	ovs-vsctl add-port ctdiff-br0 "p$n" -- set Interface "p$n" "ofport_request=$n" \
		-- add-port ctdiff-br1 "ctdiff$n" -- set Interface "ctdiff$n" "ofport_request=$n"
done

if [ -n "$yes" ]; then
	ovs-appctl dpctl/flush-conntrack
elif [ -n "$(ovs-appctl dpctl/dump-conntrack)" ]; then
	echo "note: connections are tracked already; if packets of this trace are among them, say --yes to forget all"
fi

ovs-ofctl --bundle add-flows ctdiff-br0 - <<'END'
table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
table=0,in_port=p2,ct_state=-trk,ipv6,actions=ct(table=1)
table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2
table=1,in_port=p2,ct_state=+trk+new,ipv6,actions=ct(commit),output:p1
table=1,in_port=p1,ct_state=+trk+est,ipv6,actions=output:p2
table=1,in_port=p2,ct_state=+trk+est,ipv6,actions=output:p1
END

# send PORT SECONDS FRAME: a frame that enters p1, p2, ..., after a time. What
# leaves ctdiff-br1 comes to ctdiff-br0 from outside.
send() {
	sleep "$2"
	ovs-ofctl packet-out ctdiff-br1 "in_port=controller packet=$3 actions=output:$1"
}

echo "Linux $(uname -r), $(ovs-appctl version | head -n 1), hw-offload=$wanted"
echo "sending 1 packets"
# packet 0: Ethernet type 0x0000, 1522 bytes
send 1 0.1 00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
sleep 0.1

echo
echo "datapath flows: ovs-appctl dpctl/dump-flows --names -m"
ovs-appctl dpctl/dump-flows --names -m | grep 'in_port(p[1-4])' || true
echo
echo "connections: ovs-appctl dpctl/dump-conntrack -m"
ovs-appctl dpctl/dump-conntrack -m

echo
echo "To compare between system and tc: the flows that packets met after conntrack"
for n in $numbers; do
	ovs-appctl dpctl/dump-flows --names | grep "in_port(p$n)" | grep -v 'recirc_id(0)' |
		sed -n "s/.*\(ct_state([^)]*)\).*\(packets:[0-9]*\),.*\(actions:.*\)/  $mode p$n \1 \2 \3/p"
done
echo
cat <<'END'
What ctdiff saw:
Packet 1 is +trk in system but -trk in tc at recirculation 1. With all bits
looked at, it is +inv+trk in system but -inv-trk in tc at recirculation 1. On
all bridges it is dropped. 1 more packet differs as well.
END
