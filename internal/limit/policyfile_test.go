package limit

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write deploy/policy/limits.json")

// TestPolicyFile compares the policy under deploy/policy with what limits of
// every action need.
func TestPolicyFile(t *testing.T) {
	const file = "../../deploy/policy/limits.json"
	stop := Definition{Name: "people", Match: Match{Account: []string{"111122223333"}}, Per: "person", Measure: "cost", Window: "day", Amount: "50 USD", Mode: "enforce", Thresholds: []string{"100%: stop", "120%: block"}}
	group := stop
	group.Name, group.Per, group.Measure, group.Amount, group.Cutoff = "groups", "work_group", "scanned_bytes", "2 TB", "10 GB"
	group.Thresholds = []string{"80%: cutoff", "100%: block"}
	ls, err := Compile([]Definition{stop, group}, Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: []string{"arn:aws:iam::111122223333:role/PROTECTED_ROLE"}})
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := ls.Policy("aws")
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(policy); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(b.String(), "111122223333", "ACCOUNT_ID")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what limits need (-want +file); -update writes it:\n%s", file, diff)
	}
}
