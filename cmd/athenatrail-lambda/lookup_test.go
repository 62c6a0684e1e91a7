package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
)

// historyOf is CloudTrail's event history of the starts, for callers whose key
// is that of the first account, or of a role in the second.
func historyOf(t testing.TB, starts []call, key string, perPage int) *lookuptest.Server {
	t.Helper()
	var events []lookuptest.Event
	for n, s := range starts {
		data, err := json.Marshal(record(n, s))
		if err != nil {
			t.Fatal(err)
		}
		e, err := lookuptest.ParseEvent(data)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	server, err := lookuptest.Start(lookuptest.Config{
		Caller: func(id string) (lookuptest.Caller, bool) {
			if id == key {
				return lookuptest.Caller{Account: firstAccount}, true
			}
			return lookuptest.Caller{Account: secondAccount}, true
		},
		PageSize: func(int) int { return perPage },
	}, events...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// withoutTrail is a deployment that asks LookupEvents of two accounts, whose
// pages hold so many events.
func withoutTrail(t *testing.T, perPage int) (*deployment, *lookuptest.Server) {
	t.Helper()
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC", "ATHENATRAIL_SOURCES=lookup-events",
		fmt.Sprintf(`ATHENATRAIL_ACCOUNTS=[{id: "%s", regions: [%s]}, {id: "%s", role: "arn:aws:iam::%[3]s:role/athenatrail-reader", regions: [%[2]s]}]`, firstAccount, trailRegion, secondAccount))
	history := historyOf(t, d.starts, d.s3.AccessKey, perPage)
	d.env = append(d.env, "AWS_ENDPOINT_URL_CLOUDTRAIL="+history.URL, "ATHENATRAIL_ASSUME_ROLE=")
	for _, f := range d.functions {
		f.env = d.env
	}
	return d, history
}

// TestDayThroughLookupEvents is the promise of the whole without a trail: a day
// of two accounts through the real definition and the real program, asked of
// CloudTrail's event history at its own rate, is the day that a laptop asks
// for, byte for byte, and its files are there. Nothing of other days is asked
// for, and nothing twice.
func TestDayThroughLookupEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command line, and runs a day")
	}
	d, history := withoutTrail(t, 10)
	next := d.day.AddDate(0, 0, 1)
	d.mustSucceed(dayInput(d))
	got := d.lake()
	if len(got) < 8 {
		t.Errorf("the lake has %d files", len(got))
	}
	unit := d.functions["athenatrail-unit"]
	if unit.invoked != 2 {
		t.Errorf("%d units were invoked, want one for each account", unit.invoked)
	}
	inDay := 0
	for _, s := range d.starts {
		if !s.at.Before(d.day) && s.at.Before(next) {
			inDay++
		}
	}
	counts := history.Counts()
	if counts.Events != inDay || counts.Repeated > 0 {
		t.Errorf("%+v, want the day's %d events once", counts, inDay)
	}
	files := d.files()
	if len(files) != 24 {
		t.Errorf("%d files", len(files))
	}
	d.mustBeTheTrackers(files)
	mustEqual(t, d.onLaptop("--from", d.day.Format(time.RFC3339), "--to", next.Format(time.RFC3339)), got)

	// Once more: nothing is asked of what is known, and the bytes are the same.
	asked := history.Counts().Calls
	d.mustSucceed(dayInput(d))
	if again := history.Counts().Calls - asked; again != 0 {
		t.Errorf("%d calls for a day that is known", again)
	}
	mustEqual(t, got, d.lake())
	if diff := differing(files, d.files()); diff != "" {
		t.Errorf("the second run changed files: %s", diff)
	}
}

// TestLookupNearItsDeadline gives a unit less time than its pages take at two
// calls a second: it is handed on with what it stored, and asks for none twice.
func TestLookupNearItsDeadline(t *testing.T) {
	d, history := withoutTrail(t, 3)
	unit := d.functions["athenatrail-unit"]
	unit.timeout = 4 * time.Second
	payload := fmt.Appendf(nil, `{"from":%q,"to":%q,"account":%q,"region":%q}`,
		d.day.Format(time.RFC3339), d.day.AddDate(0, 0, 1).Format(time.RFC3339), firstAccount, trailRegion)
	rounds, killed := 0, 0
	for done := false; !done; rounds++ {
		body, failed := unit.invoke(payload)
		if failed && killed < 5 {
			killed++ // on a busy machine, too late: the state machine calls it again
			continue
		}
		var answer struct {
			Done bool            `json:"done"`
			Unit json.RawMessage `json:"unit"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || failed || rounds > 30 {
			t.Fatalf("round %d: %s\n%s", rounds, body, unit.logs())
		}
		done, payload = answer.Done, answer.Unit
	}
	want := 0
	for _, s := range d.starts {
		if s.account == firstAccount && !s.at.Before(d.day) && s.at.Before(d.day.AddDate(0, 0, 1)) {
			want++
		}
	}
	if counts := history.Counts(); rounds < 2 || counts.Events < want || killed == 0 && counts.Throttled > counts.Calls/4 {
		t.Errorf("%d rounds, %+v, want %d events", rounds, counts, want)
	}
}

// TestEveryDefectHasItsTest reads the list at the top of tracker_test.go: it has
// the tracker's eleven defects, and the tests that it names exist.
func TestEveryDefectHasItsTest(t *testing.T) {
	list, err := os.ReadFile("tracker_test.go")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(list), "const machine")
	named := regexp.MustCompile(`\bTest[A-Za-z0-9]+\b`)
	defects := 0
	for _, line := range strings.Split(head, "\n") {
		tests := named.FindAllString(line, -1)
		if len(tests) == 0 {
			continue
		}
		if regexp.MustCompile(`^//\t\S`).MatchString(line) {
			defects++
		}
		for _, name := range tests {
			if !isTest(t, name) {
				t.Errorf("%s is named and is no test", name)
			}
		}
	}
	if defects != 11 {
		t.Errorf("%d defects, want 11", defects)
	}
}

func isTest(t *testing.T, name string) bool {
	t.Helper()
	for _, dir := range []string{".", "../../internal/export", "../../internal/lookup", "../../deploy"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			text, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\nfunc "+name+"(") {
				return true
			}
		}
	}
	return false
}
