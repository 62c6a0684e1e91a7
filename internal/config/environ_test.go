package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A variable that sets nothing is named, with the one that it is nearly: a
// service once read STATE_MACHINE, its manual said STATE_MACHINE_ARN, and
// nobody was told.
func TestUnused(t *testing.T) {
	f := func(environ []string, want ...Variable) {
		t.Helper()
		if diff := cmp.Diff(want, Unused(environ)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", environ, diff)
		}
	}
	f([]string{"ATHENATRAIL_LAKE=x", "ATHENATRAIL_CONFIG=y", "PATH=/bin", "LAEK=x", "ATHENATRAIL_ASSUME_ROLE=z"})
	f([]string{"ATHENATRAIL_LAKE=", "ATHENATRAIL_CONFIG="}, Variable{Name: "ATHENATRAIL_CONFIG", Empty: true}, Variable{Name: "ATHENATRAIL_LAKE", Empty: true})
	f([]string{"ATHENATRAIL_REGION=x"}, Variable{Name: "ATHENATRAIL_REGION", Meant: "ATHENATRAIL_REGIONS"})
	f([]string{"ATHENATRAIL_LAKE_ARN=x"}, Variable{Name: "ATHENATRAIL_LAKE_ARN", Meant: "ATHENATRAIL_LAKE"})
	f([]string{"ATHENATRAIL_ASSUME=x"}, Variable{Name: "ATHENATRAIL_ASSUME", Meant: "ATHENATRAIL_ASSUME_ROLE"})
	f([]string{"ATHENATRAIL_ASSUME_ROLE_ARN=x"}, Variable{Name: "ATHENATRAIL_ASSUME_ROLE_ARN", Meant: "ATHENATRAIL_ASSUME_ROLE"})
	f([]string{"ATHENATRAIL_lake=x"}, Variable{Name: "ATHENATRAIL_lake", Meant: "ATHENATRAIL_LAKE"})
	f([]string{"ATHENATRAIL_CONFG=x"}, Variable{Name: "ATHENATRAIL_CONFG", Meant: "ATHENATRAIL_CONFIG"})
	f([]string{"ATHENATRAIL_STATE_MACHINE=x", "ATHENATRAIL_=y"}, Variable{Name: "ATHENATRAIL_"}, Variable{Name: "ATHENATRAIL_STATE_MACHINE"})
}

func TestOUPath(t *testing.T) {
	for text, right := range map[string]bool{
		"Root": true, "Root/Production": true, "Root/R & D/Labs": true, "": false, "/Root": false, "Root/": false, "Root//X": false, "Root/ ": false,
	} {
		if got := ouPath(text) == ""; got != right {
			t.Errorf("%q: %v", text, got)
		}
	}
}
