package fuzz

// Types of ICMPv6 messages that an operation makes (IANA's ICMPv6 parameters).
const (
	typeUnreachable        = 1
	typePacketTooBig       = 2
	typeTimeExceeded       = 3
	typeParameterProblem   = 4
	typeEchoRequest        = 128
	typeEchoReply          = 129
	typeQuery              = 130
	typeReport             = 131
	typeDone               = 132
	typeRouterSolicitation = 133
	typeRouterAdvert       = 134
	typeSolicitation       = 135
	typeAdvertisement      = 136
	typeRedirect           = 137
	typeInformationQuery   = 139
	typeInformationReply   = 140
	typeReport2            = 143
)
