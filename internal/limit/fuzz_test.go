package limit

import (
	"errors"
	"testing"
	"time"
)

// FuzzCompile makes a limit of any texts. What cannot be one is told by its
// field, and what can is written as it is read.
func FuzzCompile(f *testing.F) {
	f.Add("scanned-bytes", "2 TB", "day", "50%: notify", "ana@*", "etl", "2026-12-24")
	f.Add("cost", "9999999999 USD", "92d", "1000%:block", "\u202e\x00", "*****", "9999-99-99")
	f.Add("failed-share", "1e99 %", "0d", "65536%: stop", "x", "[", "")
	f.Fuzz(func(t *testing.T, measure, amount, window, threshold, person, group, until string) {
		for m := range amountForms {
			a, want := parseAmount(m, amount)
			if want != "" {
				continue
			}
			if a.Value <= 0 || a.String() == "" || reaches(a.Value, a.Value, 100) {
				t.Fatalf("%s of %q is %d", m, amount, a.Value)
			}
		}
		if w, want := parseWindow(window, time.UTC); want == "" && w.String() != window {
			if again, want := parseWindow(w.String(), time.UTC); want != "" || again != w {
				t.Fatalf("%q is written %q", window, w)
			}
		}
		if th, want := parseThreshold(threshold); want == "" && (th.Percent < 1 || th.Percent > 1000 || th.Action.Acts() && th.Percent < 100) {
			t.Fatalf("%q is %+v", threshold, th)
		}
		d := Definition{Name: "x", Measure: measure, Amount: amount, Window: window, Thresholds: []string{threshold}, Match: Match{Person: []string{person}, WorkGroup: []string{group}}, Exempt: []Exempt{{Match: Match{Person: []string{person}}, Until: until}}}
		_, err := Compile([]Definition{d, d}, Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: []string{person}})
		var field *FieldError
		if !errors.As(err, &field) { // of the name, which both have
			t.Fatalf("got %v", err)
		}
		if len(err.Error()) > 20_000 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}
