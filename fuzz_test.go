package athenatrail

import (
	"strings"
	"testing"
	"time"
)

// FuzzPlaces makes places and amounts of any text. What is made of it is
// written and read as the same, and can be a file's name.
func FuzzPlaces(f *testing.F) {
	for _, s := range []string{"2026-11-03", "9999-12-31", "0000-01-01", "111122223333", "../..", "eu-west-1", "a_b", "CON", "5.000000001", "9223372036.854775807", "9223372036.854775808", "١.٢", "1_0", strings.Repeat("9", 5000)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, day, name string) {
		for _, p := range []Partition{NewPartition(time.Unix(1.8e9, 0), name, day), NewPartition(time.Unix(1.8e9, 0), day+"-", name)} {
			got, err := ParsePartition(p.Date.String(), p.Name())
			if err != nil || got != p {
				t.Fatalf("%+v is read as %+v, %v", p, got, err)
			}
			if strings.ContainsAny(p.Name(), "./\\\x00:*?\"<>| \n") {
				t.Fatalf("the name %q", p.Name())
			}
		}
		if d, err := ParseDate(day); err == nil && d.String() != day {
			t.Fatalf("%q is read as %q", day, d)
		}
		if p, err := ParsePartition(day, name); err == nil && p.Name() != name {
			t.Fatalf("%q is read as %q", name, p.Name())
		}
		if m, err := ParseMoney(name); err == nil {
			if again, err := ParseMoney(m.String()); m < 0 || err != nil || again != m {
				t.Fatalf("%q is %s, then %s, %v", name, m, again, err)
			}
		}
	})
}
