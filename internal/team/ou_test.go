package team

import "testing"

// Rules that name no organizational unit keep the hash that lakes were derived
// with before rules could.
func TestHashOfUnits(t *testing.T) {
	without := rules(t, Rule{Team: "data", Account: "111122223333"})
	if got, want := without.Hash(), "af70eb40a2cc5995"; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	with, other := rules(t, Rule{Team: "data", OU: "Root/A"}), rules(t, Rule{Team: "data", OU: "Root/B"})
	if with.Hash() == other.Hash() || with.Hash() == without.Hash() {
		t.Error("the unit is not in the hash")
	}
	if without.NeedsAccountOUs() || !with.NeedsAccountOUs() || with.NeedsAccountNames() {
		t.Error("what rules need")
	}
}

func TestUnitsThatNoAccountIsIn(t *testing.T) {
	for _, ou := range []string{"/Root/A", "Root/A/", "ou-ab12-11111111", "a\nb"} {
		if _, err := New([]Rule{{Team: "data", OU: ou}}); err == nil {
			t.Errorf("%q is taken", ou)
		}
	}
}
