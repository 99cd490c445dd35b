package tracefile

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/ctdiff/ctdiff/replay"
)

type record struct {
	seconds, fraction uint32
	length            uint32
	frame             []byte
}

func pcap(order binary.AppendByteOrder, magic, link uint32, records ...record) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, link)
	for _, r := range records {
		b = order.AppendUint32(b, r.seconds)
		b = order.AppendUint32(b, r.fraction)
		b = order.AppendUint32(b, uint32(len(r.frame)))
		b = order.AppendUint32(b, r.length)
		b = append(b, r.frame...)
	}
	return b
}

func TestImportPcap(t *testing.T) {
	long := bytes.Repeat([]byte{1}, replay.MaxFrame)
	records := []record{
		{1700000000, 999_999, 86, solicitation},
		{1700000001, 0, replay.MaxFrame, long},
		{1700000000, 0, 14, solicitation[:14]}, // time goes back
		{1700000001, 5, 15, solicitation[:15]},
	}
	orders := map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian}
	units := map[string]struct {
		magic uint32
		unit  time.Duration
	}{
		"microseconds": {0xa1b2c3d4, time.Microsecond},
		"nanoseconds":  {0xa1b23c4d, time.Nanosecond},
	}
	for orderName, order := range orders {
		for unitName, u := range units {
			t.Run(orderName+" endian "+unitName, func(t *testing.T) {
				data := pcap(order, u.magic, 1, records...)
				got, err := Import(bytes.NewReader(data), ImportOptions{Pipeline: foundingRules, Port: 2})
				if err != nil {
					t.Fatal(err)
				}
				want := replay.Trace{Pipeline: foundingRules, Packets: []replay.Packet{
					{Port: 2, Frame: solicitation},
					{Port: 2, Gap: time.Second - 999_999*u.unit, Frame: long},
					{Port: 2, Frame: solicitation[:14]},
					{Port: 2, Gap: 5 * u.unit, Frame: solicitation[:15]},
				}}
				if diff := diff(want, got); diff != "" {
					t.Errorf("trace (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestImportPcapRefuses(t *testing.T) {
	le := binary.LittleEndian
	const magic = 0xa1b2c3d4
	good := record{1, 0, 86, solicitation}
	big := make([]byte, replay.MaxFrame+1)
	tests := map[string]struct {
		data []byte
		opts ImportOptions
		want string
	}{
		"empty":          {nil, ImportOptions{Port: 1}, "byte 0: neither pcapng nor pcap"},
		"text":           {[]byte("p1 +0s hex 00"), ImportOptions{Port: 1}, "neither pcapng nor pcap: starts with 70 31 20 2b"},
		"gzip":           {[]byte{0x1f, 0x8b, 8, 0}, ImportOptions{Port: 1}, "starts with 1f 8b 08 00"},
		"no port":        {pcap(le, magic, 1, good), ImportOptions{}, "say which one"},
		"no such port":   {pcap(le, magic, 1, good), ImportOptions{Port: 5}, "port 5"},
		"rule":           {pcap(le, magic, 1, good), ImportOptions{Port: 1, Pipeline: replay.Pipeline{""}}, "rule 0: rule is empty"},
		"no packets":     {pcap(le, magic, 1), ImportOptions{Port: 1}, "no packets"},
		"link type":      {pcap(le, magic, 113, good), ImportOptions{Port: 1}, "link type is 113 (Linux SLL)"},
		"link type 257":  {pcap(le, magic, 257, good), ImportOptions{Port: 1}, "link type is 257 (unknown)"},
		"check sequence": {pcap(le, magic, 0x14000001, good), ImportOptions{Port: 1}, "link type is 0x14000001"},
		"header":         {pcap(le, magic, 1)[:23], ImportOptions{Port: 1}, "pcap header"},
		"packet header":  {pcap(le, magic, 1, good, good)[:24+102+10], ImportOptions{Port: 1}, "packet 1 (byte 126): packet cut off after 10 bytes"},
		"no data":        {pcap(le, magic, 1, good, good)[:24+102+16], ImportOptions{Port: 1}, "packet 1 (byte 126): packet cut off after 16 bytes"},
		"half data":      {pcap(le, magic, 1, good, good)[:24+102+20], ImportOptions{Port: 1}, "packet 1 (byte 126): packet cut off after 20 bytes"},
		"snapped":        {pcap(le, magic, 1, good, record{1, 0, 1500, solicitation}), ImportOptions{Port: 1}, "packet 1 (byte 126): packet of 1500 bytes was captured with 86"},
		"short":          {pcap(le, magic, 1, record{1, 0, 13, solicitation[:13]}), ImportOptions{Port: 1}, "packet 0 (byte 24): frame of 13 bytes"},
		"long":           {pcap(le, magic, 1, record{1, 0, uint32(len(big)), big}), ImportOptions{Port: 1}, "packet 0 (byte 24): frame of 1523 bytes"},
		"gap":            {pcap(le, magic, 1, good, record{2e9, 0, 86, solicitation}), ImportOptions{Port: 1}, "packet 1 (byte 126): gap of more than 720h0m0s"},
		"huge":           {append(pcap(le, magic, 1), bytes.Repeat([]byte{0xff}, 16)...), ImportOptions{Port: 1}, "packet 0 (byte 24): reading packet: capture length exceeds"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Import(bytes.NewReader(test.data), test.opts)
			wantInputError(t, err, test.want)
		})
	}
}

// TestImportNg reads what pcapgo writes.
func TestImportNg(t *testing.T) {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "p4", LinkType: layers.LinkTypeEthernet}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(pcapgo.NgInterface{Name: "p2", LinkType: layers.LinkTypeEthernet}); err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1700000000, 7)
	for i, at := range []time.Duration{0, time.Hour, time.Hour - 1, time.Hour + 3} {
		info := gopacket.CaptureInfo{Timestamp: start.Add(at), CaptureLength: 86, Length: 86, InterfaceIndex: i % 2}
		if err := w.WritePacket(info, solicitation); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, given := range []replay.Port{0, 3} {
		got, err := Import(bytes.NewReader(b.Bytes()), ImportOptions{Port: given})
		if err != nil {
			t.Fatal(err)
		}
		odd, even := replay.Port(2), replay.Port(4)
		if given != 0 {
			odd, even = given, given
		}
		want := replay.Trace{Packets: []replay.Packet{
			{Port: even, Frame: solicitation},
			{Port: odd, Gap: time.Hour, Frame: solicitation},
			{Port: even, Frame: solicitation},
			{Port: odd, Gap: 3, Frame: solicitation},
		}}
		if diff := diff(want, got); diff != "" {
			t.Errorf("trace at port %d (-want +got):\n%s", given, diff)
		}
	}
}

// TestImportNgOldBlocks reads simple packet blocks and obsolete packet blocks,
// of two sections in two byte orders.
func TestImportNgOldBlocks(t *testing.T) {
	be := binary.BigEndian
	b := bigBlock(nil, blockSection, bigSection())
	b = bigBlock(b, blockInterface, bigInterface("eth0", 113, 6, 0))
	b = bigBlock(b, blockInterface, bigInterface("p1", 1, 3, -100))
	packet := be.AppendUint32(nil, 1<<16|7) // interface 1, 7 packets lost
	packet = be.AppendUint64(packet, 100_500)
	packet = be.AppendUint32(packet, 86)
	packet = be.AppendUint32(packet, 86)
	b = bigBlock(b, blockPacket, pad(append(packet, solicitation...)))
	b = append(b, sectionHeader(nil, 0)...)
	b = appendInterface(b, 2)
	b = appendBlock(b, blockSimple, pad(append(binary.LittleEndian.AppendUint32(nil, 15), solicitation[:15]...)))
	b = appendPacket(b, replay.Packet{Port: 1, Frame: solicitation}, 1e9)
	got, err := Import(bytes.NewReader(b), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Trace{Packets: []replay.Packet{
		{Port: 1, Frame: solicitation},
		{Port: 2, Frame: solicitation[:15]},
		{Port: 2, Gap: 500 * time.Millisecond, Frame: solicitation},
	}}
	if diff := diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestImportNgRefuses(t *testing.T) {
	section := bigBlock(nil, blockSection, bigSection())
	simple := func(data []byte, length uint32, frame []byte) []byte {
		return bigBlock(data, blockSimple, pad(append(binary.BigEndian.AppendUint32(nil, length), frame...)))
	}
	withInterface := func(name string, link uint16, resolution byte, offset int64) []byte {
		return bigBlock(bytes.Clone(section), blockInterface, bigInterface(name, link, resolution, offset))
	}
	timed := bigBlock(withInterface("p1", 1, 6, math.MaxInt64), blockEnhanced, make([]byte, 20))
	tests := map[string]struct {
		data []byte
		want string
	}{
		"no interface": {simple(bytes.Clone(section), 86, solicitation), "block 2 (byte 28): packet of interface 0: the section has none"},
		"foreign name": {simple(withInterface("eth0", 1, 6, 0), 86, solicitation), `interface 0 ("eth0") is no port of the bridge: port "eth0": not one of p1 to p4`},
		"no name":      {simple(withInterface("", 1, 6, 0), 86, solicitation), "interface 0 (without a name) is no port"},
		"link type":    {simple(withInterface("p1", 276, 6, 0), 86, solicitation), "link type is 276 (unknown), not 1 (Ethernet)"},
		"snapped":      {simple(withInterface("p1", 1, 6, 0), 100, solicitation), "packet of 100 bytes was captured with 88"},
		"short block":  {bigBlock(withInterface("p1", 1, 6, 0), blockSimple, nil), "packet block of 0 bytes is too short"},
		"resolution":   {withInterface("p1", 1, 64, 0), "timestamp resolution 0x40 is too fine"},
		"offset":       {timed, "is out of range"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Import(bytes.NewReader(test.data), ImportOptions{})
			wantInputError(t, err, test.want)
		})
	}
}
