package move

import "testing"

func TestAllocations(t *testing.T) {
	for name, template := range frames {
		frame, _ := expand(t, template)
		buffer := make([]byte, 0, len(frame))
		if n := testing.AllocsPerRun(10, func() { Move(7).Back(buffer, Move(7).Frame(buffer, frame)) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, name := range []string{"IPv6", "IPv4", "error", "all extension headers"} {
		b.Run(name, func(b *testing.B) {
			frame, _ := expand(b, frames[name])
			buffer := make([]byte, 0, len(frame))
			b.ReportAllocs()
			for m := Move(1); b.Loop(); m++ {
				buffer = m.Frame(buffer[:0], frame)
			}
		})
	}
}

func BenchmarkMovable(b *testing.B) {
	rules := []string{"table=1,in_port=p1,ct_state=+trk+new,icmp6,icmp_type=135,actions=ct(commit),output:p2"}
	b.ReportAllocs()
	for b.Loop() {
		Movable(rules)
	}
}
