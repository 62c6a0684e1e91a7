package spelling

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := Distance(a, b); got != want {
			t.Errorf("%q, %q: got %d, want %d", a, b, got, want)
		}
		if got := Distance(b, a); got != want {
			t.Errorf("%q, %q: got %d, want %d", b, a, got, want)
		}
	}
	f("", "", 0)
	f("lake", "lake", 0)
	f("lake", "", 4)
	f("lake", "lakes", 1)
	f("lake", "bake", 1)
	f("sources", "scources", 1)
	f("kitten", "sitting", 3)
	f(strings.Repeat("a", 65), "a", 64)
}
