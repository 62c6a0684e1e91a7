package forget

import "testing"

func TestHoldsWord(t *testing.T) {
	f := func(text, name string, want bool) {
		t.Helper()
		if got := holdsWord(text, name); got != want {
			t.Errorf("%q in %q: %v, want %v", name, text, got, want)
		}
	}
	f("ines", "ines", true)
	f(`{"user":"ines"}`, "ines", true)
	f("arn:aws:iam::111122223333:user/ines", "ines", true)
	f("asked by ines.", "ines", true)
	f("pipelines", "ines", false)
	f("ines2", "ines", false)
	f("ines-bot", "ines", false)
	f("ines@example.com", "ines", false)
	f("not-ines", "ines", false)
	f("inés ines", "ines", true)
	f("machines, ines", "ines", true)
	f("x ines@example.com, y", "ines@example.com", true)
	f("mines@example.com", "ines@example.com", false)
	f("ines@example.com.evil", "ines@example.com", false)
	f("", "ines", false)
}
