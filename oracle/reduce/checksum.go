package reduce

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
)

// sumAt returns where in the body its checksum is; -1 if it has none.
func (f *packet) sumAt() int {
	switch {
	case f.whole(oracle.ProtoICMPv6, 4) && f.version() == 6, f.whole(oracle.ProtoICMP, 4) && f.version() == 4:
		return 2
	case f.whole(oracle.ProtoTCP, 20):
		return 16
	case f.isUDP():
		return 6
	case f.whole(oracle.ProtoSCTP, 12):
		return 8
	}
	return -1
}

func (f *packet) sumSize() int {
	if f.proto == oracle.ProtoSCTP {
		return 4
	}
	return 2
}

// sum returns the checksum that the body should have.
func (f *packet) sum() []byte {
	at := f.sumAt()
	body := slices.Clone(f.body)
	clear(body[at : at+f.sumSize()])
	if f.proto == oracle.ProtoSCTP {
		// RFC 9260, appendix A.
		return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	}
	sum := checksum(append(f.pseudoHeader(), body...))
	if sum == 0 && f.proto == oracle.ProtoUDP {
		sum = 0xffff // RFC 768: 0 is none
	}
	return binary.BigEndian.AppendUint16(nil, sum)
}

// pseudoHeader is what the checksum also covers: RFC 8200, section 8.1, and
// the like for IPv4, whose ICMP has none.
func (f *packet) pseudoHeader() []byte {
	if f.proto == oracle.ProtoICMP {
		return nil
	}
	addresses := f.ip[12:20]
	if f.version() == 6 {
		addresses = f.ip[8:40]
	}
	header := binary.BigEndian.AppendUint32(slices.Clone(addresses), uint32(len(f.body)))
	return append(header, 0, 0, 0, f.proto)
}

// checksum is the Internet checksum (RFC 1071).
func checksum(data []byte) uint16 {
	var sum uint32
	for i, b := range data {
		if i%2 == 0 {
			sum += uint32(b) << 8
		} else {
			sum += uint32(b)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
