package fuzz

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func chacha(seed byte) (*rand.ChaCha8, *rand.Rand) {
	source := rand.NewChaCha8([32]byte{seed})
	return source, rand.New(source)
}

func TestEveryInputIsValid(t *testing.T) {
	source, random := chacha(1)
	for range 20_000 {
		data := make([]byte, random.IntN(200))
		source.Read(data)
		trace := Decode(data, Founding())
		if err := trace.Validate(); err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		if len(trace.Packets) > defaultPackets && !hasLimit(data) {
			t.Fatalf("%x: %d packets", data, len(trace.Packets))
		}
	}
}

func hasLimit(data []byte) bool { return slices.Contains(data, opLimit) }

// A change of one byte changes the packets of the row that has it, and of those
// that refer to it, and no others.
func TestOneByteIsOneRow(t *testing.T) {
	source, random := chacha(2)
	for range 20_000 {
		rows := make([]row, 5)
		for i := range rows {
			source.Read(rows[i][:])
			rows[i][atOp] &= 31
			for rows[i].operation().of == answer || rows[i].operation().of == again {
				rows[i][atOp] = byte(random.IntN(32))
			}
			// Redirected header options refer, too.
			rows[i][atOwn+firstOption] &^= optionGiven
			rows[i][atOwn+secondOption] &^= optionGiven
		}
		before := perRow(rows)
		at, i := random.IntN(len(rows)), 1+random.IntN(rowSize-1)
		if i == atOwn+firstOption || i == atOwn+secondOption {
			continue
		}
		rows[at][i] ^= byte(1 + random.IntN(255))
		after := perRow(rows)
		for j := range rows {
			if j != at && !reflect.DeepEqual(before[j], after[j]) {
				t.Fatalf("byte %d of row %d changed row %d (-before +after):\n%s", i, at, j, cmp.Diff(before[j], after[j]))
			}
		}
	}
}

// perRow returns the packets of each row.
func perRow(rows []row) [][]replay.Packet {
	d := decoder{limit: replay.MaxPackets}
	var all [][]replay.Packet
	for _, r := range rows {
		start := len(d.packets)
		d.step(r, input{})
		all = append(all, d.packets[start:])
	}
	return all
}

// TestSimilarity measures how much of a trace of four rows outlives a change of
// one byte of its input, and how much of the frames that it changes.
func TestSimilarity(t *testing.T) {
	source, random := chacha(3)
	const n = 20_000
	var same, traces, frames, changed float64
	for range n {
		data := make([]byte, explainedSize)
		source.Read(data)
		before := Decode(data, nil).Packets
		data[random.IntN(len(data))] ^= byte(1 + random.IntN(255))
		after := Decode(data, nil).Packets
		kept := common(before, after)
		same += float64(kept) / float64(max(len(before), len(after)))
		traces++
		if len(before) == len(after) {
			for i := range before {
				if a, b := before[i].Frame, after[i].Frame; !slices.Equal(a, b) {
					frames += float64(commonBytes(a, b)) / float64(max(len(a), len(b)))
					changed++
				}
			}
		}
	}
	t.Logf("after a change of one byte: %.1f %% of packets are the same, and %.1f %% of the bytes of those that are not",
		100*same/traces, 100*frames/changed)
	if same/traces < 0.7 {
		t.Errorf("one byte changes %.1f %% of the packets", 100*(1-same/traces))
	}
	if frames/changed < 0.7 {
		t.Errorf("one byte changes %.1f %% of a changed packet", 100*(1-frames/changed))
	}
}

// common returns the length of the longest common subsequence.
func common(a, b []replay.Packet) int {
	equal := func(x, y replay.Packet) bool {
		return x.Port == y.Port && x.Gap == y.Gap && slices.Equal(x.Frame, y.Frame)
	}
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			up := row[j+1]
			if equal(x, y) {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(up, row[j])
			}
			diagonal = up
		}
	}
	return row[len(b)]
}

// commonBytes counts the bytes at the same place, from the front or the back.
func commonBytes(a, b []byte) int {
	front, back := 0, 0
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			front++
		}
		if a[len(a)-1-i] == b[len(b)-1-i] {
			back++
		}
	}
	return max(front, back)
}

// What has no meaning of its own stands for what its five low bits say, so that
// no byte is wasted.
func TestOpcodesWithoutMeaning(t *testing.T) {
	for code := 32; code < opLimit; code++ {
		got := Decode(seed(row{atOp: byte(code)}), nil)
		want := Decode(seed(row{atOp: byte(code & 31)}), nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("opcode %#02x (-want +got):\n%s", code, diff)
		}
	}
}

func TestGaps(t *testing.T) {
	once := row{atFlow: 2}
	late := row{atFlow: 2, atGap: 255}
	tests := map[string]struct {
		rows []row
		want time.Duration
	}{
		"none":     {[]row{once}, 0},
		"wait":     {[]row{waitRow(1234567), once}, 1234567},
		"waits":    {[]row{waitRow(1), waitRow(2), once}, 3},
		"both":     {[]row{waitRow(1), {atFlow: 2, atGap: 0xf0}}, time.Second + 1},
		"too long": {[]row{waitRow(replay.MaxGap), late}, replay.MaxGap},
		"longest":  {[]row{late}, replay.MaxGap},
		"beyond":   {[]row{waitRow(replay.MaxGap + 8), once}, 7},
		"only":     {[]row{waitRow(5)}, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Decode(seed(test.rows...), nil).Packets[0].Gap; got != test.want {
				t.Errorf("gap %v, want %v", got, test.want)
			}
		})
	}
	if !slices.IsSorted(gaps[:]) {
		t.Error("a greater byte is not a longer gap")
	}
}

func TestLimit(t *testing.T) {
	many := slices.Repeat([]row{{atFlow: 3}}, 2000)
	tests := map[string]struct {
		rows []row
		want int
	}{
		"default": {many, defaultPackets},
		"more":    {append([]row{limitRow(77)}, many...), 77},
		"less":    {append([]row{limitRow(3)}, many...), defaultPackets},
		"most":    {append([]row{limitRow(0xffff)}, many...), replay.MaxPackets},
		"only":    {[]row{limitRow(100)}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := len(Decode(seed(test.rows...), nil).Packets); got != test.want {
				t.Errorf("%d packets, want %d", got, test.want)
			}
		})
	}
}

func TestRawFrames(t *testing.T) {
	long := slices.Repeat([]byte{7}, 1600)
	tests := map[string]struct {
		data []byte
		want []byte
	}{
		"whole":     {append(seed(rawRow(20)), long[:32]...), long[:20]},
		"cut off":   {append(seed(rawRow(1000)), long[:50]...), long[:50]},
		"too short": {append(seed(rawRow(3)), long[:16]...), long[:14]},
		"nothing":   {seed(rawRow(100)), make([]byte, 14)},
		"too long":  {append(seed(rawRow(5000)), long...), long[:1522]},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Decode(test.data, nil).Packets[0].Frame); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The owner of a trace may change one of its frames, and no other changes.
func TestFramesAreNotShared(t *testing.T) {
	data := seed(row{atFlow: 3}, row{atOp: opRepeat})
	trace := Decode(data, nil)
	clear(trace.Packets[0].Frame)
	want := Decode(data, nil).Packets[1:]
	if diff := cmp.Diff(want, trace.Packets[1:]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFragmentsJoin(t *testing.T) {
	for _, how := range []byte{inFragments, inReverse} {
		r := row{atFlow: 2, atDelivery: how << 3, atPayload: 28, atChain: oneExtension | destOpts}
		whole := r
		whole[atDelivery] = 0
		want := Decode(seed(whole), nil).Packets[0].Frame
		const l4, header = 14 + ipv6Size + 8, 8
		got := make([]byte, len(want)-l4)
		frames := Decode(seed(r), nil).Packets
		for _, p := range frames {
			at := int(p.Frame[l4+2])<<8 | int(p.Frame[l4+3]&^7)
			copy(got[at:], p.Frame[l4+header:])
			if p.Frame[20] != 60 || p.Frame[14+ipv6Size] != 44 || p.Frame[l4] != 58 {
				t.Errorf("wrong order of headers in %x", p.Frame)
			}
			if n := int(p.Frame[18])<<8 | int(p.Frame[19]); n != len(p.Frame)-14-ipv6Size {
				t.Errorf("payload length %d of a frame of %d bytes", n, len(p.Frame))
			}
		}
		if diff := cmp.Diff(want[l4:], got); diff != "" || len(frames) < 2 {
			t.Errorf("%d fragments (-want +got):\n%s", len(frames), diff)
		}
	}
}
