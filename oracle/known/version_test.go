package known

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

func TestVersionOrder(t *testing.T) {
	// From the lowest to the highest; on one line are those that are equal.
	order := [][]string{
		{"2.6.32.71"},
		{"2.15.0", "2.15"},
		{"3.5.0"},
		{"4.19.325"},
		{"5.4"},
		{"5.9.16"},
		{"5.10", "5.10.0-32-amd64", "5.10.0"},
		{"5.10.99"},
		{"5.10.223", "5.10.223+deb11"},
		{"5.12-rc5", "5.12.0-rc5", "5.12.0-rc5+", "5.12~rc5-1~exp1", "5.12.0-rc5-00012-gabcdef"},
		{"5.12.0-rc10"},
		{"5.12.0"},
		{"6.12.117+deb13", "6.12.117"},
		{"7.3.0-rc7"},
		{"7.3.0", "7.3.0-dirty"},
	}
	for i, equals := range order {
		for j, others := range order {
			for _, a := range equals {
				for _, b := range others {
					va, _, errA := parseVersion(a)
					vb, _, errB := parseVersion(b)
					if errA != nil || errB != nil {
						t.Fatal(errA, errB)
					}
					if got, want := va.compare(vb), cmp.Compare(i, j); got != want {
						t.Errorf("%s against %s: %d, want %d", a, b, got, want)
					}
				}
			}
		}
	}
	for _, text := range []string{"", "x", "v5.4", ".5", "5..4", "5.", "-rc1", "1.2.3.4.5.6", "99999999999", "5.4.99999999999"} {
		if v, rest, err := parseVersion(text); err == nil {
			t.Errorf("%q: %v and %q, want an error", text, v, rest)
		}
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		text      string
		in, out   []string
		mustError string
	}{
		{">=5.4, <5.12-rc5", []string{"5.4", "5.10.223", "5.10.0-32-amd64", "5.12.0-rc4"}, []string{"5.3.18", "5.12.0-rc5", "5.12.0", "6.1.176", "", "x"}, ""},
		{">=5.10,<=5.10.30", []string{"5.10.30"}, []string{"5.10.31", "5.9"}, ""},
		{">5.10", []string{"5.10.1"}, []string{"5.10", "5.10.0"}, ""},
		{"<= 5.10", []string{"5.10"}, []string{"5.10.223"}, ""},
		{"=2.15.0", []string{"2.15.0", "2.15"}, []string{"2.15.1"}, ""},
		{"", nil, nil, "is no bound"},
		{"5.10", nil, nil, "is no bound such as >=5.4"},
		{">=5.10,", nil, nil, `"" is no bound`},
		{">=x", nil, nil, `version "x"`},
		{">=5.10.0-32-amd64", nil, nil, `"-32-amd64" after the version`},
		{"=>5.10", nil, nil, `version ">5.10"`},
		{">=5.10 <5.11", nil, nil, "is no bound"},
	} {
		var r Range
		err := r.UnmarshalText([]byte(c.text))
		if (err != nil) != (c.mustError != "") || err != nil && !strings.Contains(err.Error(), c.mustError) {
			t.Errorf("%q: %v, want %q", c.text, err, c.mustError)
		}
		if err != nil {
			continue
		}
		for _, v := range slices.Concat(c.in, c.out) {
			if got, want := r.Holds(v), slices.Contains(c.in, v); got != want {
				t.Errorf("%q holds %q: %v", c.text, v, got)
			}
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add(">=5.4, <5.12-rc5", "5.10.223")
	f.Add("=2.15.0", "5.10.0-32-amd64")
	f.Add("<7.3", "7.3.0-rc7")
	f.Fuzz(func(t *testing.T, text, version string) {
		var r Range
		if r.UnmarshalText([]byte(text)) == nil && r.Holds(version) && r.after(version) {
			t.Errorf("%q holds %q, and begins after it", text, version)
		}
	})
}
