package rebuild

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

var issueDay = athenatrail.DateOf(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))

func newLake(t *testing.T) *lake.Lake {
	t.Helper()
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// issue stores that one key was issued with another.
func storeIssue(t *testing.T, l *lake.Lake, on athenatrail.Date, account, key, caller, roleARN string) {
	t.Helper()
	p := athenatrail.NewPartition(on.Time(), account, "eu-west-1")
	_, err := lake.Merge(context.Background(), l, lake.RoleSessions, p, []athenatrail.RoleSession{{
		Home: p, AccessKeyHash: athenatrail.HashAccessKey(key), CallerKeyHash: athenatrail.HashAccessKey(caller), EventID: key, EventName: "AssumeRole",
		Issued: on.Time().Add(time.Hour), RoleARN: roleARN, Caller: "{}",
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func behindOf(t *testing.T, x *Issues, on athenatrail.Date, key string) map[string]bool {
	t.Helper()
	k, _ := keyOf(athenatrail.HashAccessKey(key))
	found, err := x.behind(context.Background(), on, map[keyID]bool{k: true})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, s := range found {
		ids[s.EventID] = true
	}
	return ids
}

// Chains lead over days and accounts, and no further back than ChainDays.
func TestIssuesBehindAndDescendants(t *testing.T) {
	l := newLake(t)
	x := NewIssues(l)
	storeIssue(t, l, issueDay-2, "111122223333", "K1", "", "arn:aws:iam::444455556666:role/a")
	storeIssue(t, l, issueDay-1, "444455556666", "K2", "K1", "arn:aws:iam::111122223333:role/b")
	storeIssue(t, l, issueDay, "111122223333", "K3", "K2", "")
	storeIssue(t, l, issueDay, "111122223333", "other", "K9", "")
	if got := behindOf(t, x, issueDay, "K3"); len(got) != 3 || !got["K1"] || !got["K2"] || !got["K3"] {
		t.Errorf("got %v", got)
	}
	if got := behindOf(t, x, issueDay+1, "K3"); len(got) != 2 || got["K1"] {
		t.Errorf("a day after: %v", got)
	}
	// A file that changes is read again, and a key may have been issued again.
	storeIssue(t, l, issueDay, "111122223333", "K4", "K3", "")
	if got := behindOf(t, x, issueDay, "K4"); len(got) != 4 {
		t.Errorf("after a change: %v", got)
	}
	keys, err := x.Descendants(t.Context(), issueDay, map[string]bool{athenatrail.HashAccessKey("K1"): true, "no hash": true})
	if err != nil {
		t.Fatal(err)
	}
	for key, account := range map[string]string{"K1": "444455556666", "K2": "111122223333", "K3": "111122223333", "K4": "111122223333"} {
		if hash := athenatrail.HashAccessKey(key); !keys.Has(account, hash) || !keys.Has(athenatrail.UnknownName, hash) {
			t.Errorf("%s is not among those of %s", key, account)
		}
	}
	if keys.Has("444455556666", athenatrail.HashAccessKey("K2")) || keys.Has("111122223333", athenatrail.HashAccessKey("other")) || keys.In("999999999999") || keys.Has("111122223333", "") {
		t.Errorf("too many: %v", keys)
	}
}

// What is remembered stays bounded, and is right all the same.
func TestIssuesAreBounded(t *testing.T) {
	l := newLake(t)
	x := NewIssues(l)
	for d := range athenatrail.Date(3 * maxIssueDays) {
		storeIssue(t, l, issueDay+d, "111122223333", fmt.Sprint("K", d), fmt.Sprint("K", d-1), "")
	}
	for _, d := range []athenatrail.Date{2, 3*maxIssueDays - 1, 5, 40, 2} {
		if got := behindOf(t, x, issueDay+d, fmt.Sprint("K", d)); len(got) != ChainDays+1 {
			t.Errorf("day %d: %v", d, got)
		}
	}
	for d := range athenatrail.Date(3 * maxIssueDays) {
		behindOf(t, x, issueDay+d, "K1")
		if len(x.days) > maxIssueDays || len(x.files) > maxIssueDays || x.links != len(x.files) {
			t.Fatalf("%d days, %d files, %d links are held", len(x.days), len(x.files), x.links)
		}
	}
}

// Many days are derived side by side.
func TestIssuesSideBySide(t *testing.T) {
	l := newLake(t)
	x, refs := NewIssues(l), NewReferences(l)
	for d := range athenatrail.Date(6) {
		storeIssue(t, l, issueDay+d, "111122223333", fmt.Sprint("K", d), fmt.Sprint("K", d-1), "")
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for d := range athenatrail.Date(6) {
				if i == 0 {
					storeIssue(t, l, issueDay+d, "444455556666", fmt.Sprint("L", d), "", "")
				}
				if got := behindOf(t, x, issueDay+d, fmt.Sprint("K", d)); len(got) != int(min(d, ChainDays))+1 {
					t.Errorf("day %d: %v", d, got)
				}
				if _, err := refs.on(t.Context(), athenatrail.NewPartition(issueDay.Time(), "111122223333", "eu-west-1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Of what AWS said the last holds that is not later than the day, else the
// first; of work groups that of the partition alone.
func TestReferencesOfADay(t *testing.T) {
	l := newLake(t)
	x := NewReferences(l)
	p := athenatrail.NewPartition(issueDay.Time(), "111122223333", "eu-west-1")
	put := func(d athenatrail.Date, account, region, kind, id, answer string) {
		t.Helper()
		at := athenatrail.NewPartition((issueDay + d).Time(), account, region)
		if _, err := lake.Merge(t.Context(), l, lake.References, at, []athenatrail.Reference{{Home: at, Kind: kind, ID: id, Answer: answer}}); err != nil {
			t.Fatal(err)
		}
	}
	tags := func(value string) string { return `{"Tags":[{"Key":"k","Value":"` + value + `"}]}` }
	check := func(d athenatrail.Date, want string) {
		t.Helper()
		refs, err := x.on(t.Context(), p.On(issueDay+d))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range refs {
			answer := strings.TrimSuffix(strings.TrimPrefix(r.Answer, `{"Tags":[{"Key":"k","Value":"`), `"}]}`)
			got += answer + " "
		}
		if got != want {
			t.Errorf("day %d: got %q, want %q", d, got, want)
		}
	}
	check(0, "")
	put(2, "111122223333", "eu-west-1", athenatrail.KindWorkGroup, "w", tags("w2"))
	put(3, "111122223333", "us-east-1", athenatrail.KindWorkGroup, "w", tags("elsewhere"))
	check(0, "w2 ")
	put(5, "111122223333", "eu-west-1", athenatrail.KindWorkGroup, "w", tags("w5"))
	put(5, "", "", athenatrail.KindIdentityUser, "u", "u5")
	for d, want := range map[athenatrail.Date]string{0: "w2 u5 ", 2: "w2 u5 ", 4: "w2 u5 ", 5: "w5 u5 ", 9: "w5 u5 "} {
		check(d, want)
	}
	put(5, "111122223333", "eu-west-1", athenatrail.KindWorkGroup, "w", tags("w5, and more")) // the file changed
	check(9, "w5, and more u5 ")
	put(1, "111122223333", "eu-west-1", athenatrail.KindWorkGroup, "w", tags("w1"))
	check(0, "w1 u5 ")
	check(3, "w2 u5 ")

	// What a reference does not tell holds on, each part for itself.
	put(6, "111122223333", "eu-west-1", athenatrail.KindWorkGroup, "w", `{"WorkGroup":{"State":"ENABLED"}}`)
	check(9, "w5, and more u5 ")
	put(7, "111122223333", "", athenatrail.KindAccount, "111122223333", `{"Name":"a","State":"ACTIVE"}`)
	put(8, "111122223333", "", athenatrail.KindAccount, "111122223333", `{"Name":"b","OU":"Root"}`)
	put(9, "111122223333", "", athenatrail.KindAccount, "111122223333", `{"OU":"Root/B"}`)
	check(4, `w2 u5 {"Name":"a"} {"OU":"Root"} `)
	check(9, `w5, and more u5 {"Name":"b"} {"OU":"Root/B"} `)
	put(9, "111122223333", "", athenatrail.KindAccount, "444455556666", `no JSON`)
	check(9, `w5, and more u5 {"Name":"b"} {"OU":"Root/B"} `)
}
