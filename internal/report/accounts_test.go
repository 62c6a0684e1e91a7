package report

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// told writes references of a day, each in the file of its account and region.
func told(t *testing.T, root, day string, refs ...athenatrail.Reference) {
	t.Helper()
	files := map[string][]athenatrail.Reference{}
	for _, r := range refs {
		files[r.Home.Name()] = append(files[r.Home.Name()], r)
	}
	for name, rows := range files {
		writeFile(t, filepath.Join(root, "facts/reference/dt="+day, name+".parquet"), rows)
	}
}

func toldOf(kind, account, region, id, answer string) athenatrail.Reference {
	return athenatrail.Reference{Home: athenatrail.NewPartition(time.Time{}, account, region), Kind: kind, ID: id, Answer: answer}
}

// companyOfAccounts has executions of two named accounts and one that nobody
// told of, with gaps, in the week and the one before.
func companyOfAccounts(t *testing.T) (root string, all []athenatrail.QueryExecution) {
	t.Helper()
	gaps := []string{"", "", athenatrail.GapNoDetail, athenatrail.GapPending, athenatrail.GapNoAccess, athenatrail.GapExpired, athenatrail.GapNoEvent, athenatrail.GapUnprocessed, athenatrail.GapNotStarted}
	for i := range 90 {
		e := execution(i, weekStart.Add(time.Duration(i-20)*2*time.Hour), []string{"alice", "bob", "carol"}[i%3], int64(i)*1000, athenatrail.Money(i)*1e9)
		e.AccountID = []string{accountA, accountB, "777788889999"}[i%3]
		if e.Gap = gaps[i%len(gaps)]; e.Gap != "" {
			e.Cost, e.DataScannedBytes, e.BilledBytes, e.CostBasis, e.Currency, e.State = nil, nil, nil, "", "", ""
		}
		all = append(all, e)
	}
	l := &lakeDir{t: t, executions: all}
	root = l.write()
	told(t, root, "2026-10-01",
		toldOf(athenatrail.KindAccount, accountA, "", accountA, `{"Name":"old name","OU":"Root"}`),
		toldOf(athenatrail.KindAccount, accountB, "", accountB, `{"Name":"b, \"two\"","OU":"Root/Production","State":"ACTIVE"}`))
	told(t, root, "2026-11-09",
		toldOf(athenatrail.KindAccount, accountA, "", accountA, `{"Name":"analytics","OU":"Root/Production","State":"SUSPENDED"}`),
		toldOf(athenatrail.KindAccount, "555566667777", "", "555566667777", `{"Name":"idle","OU":"Root/Production"}`),
		toldOf(athenatrail.KindIdentityUser, "", "", accountB, `{"Name":"no account"}`))
	return root, all
}

// The sums of each account, and of each unit, are those of plain Go; names are
// the newest.
func TestAccountsAgainstGo(t *testing.T) {
	root, all := companyOfAccounts(t)
	d := open(t, root, Options{})
	names := map[string][3]any{accountA: {"analytics", "Root/Production", "SUSPENDED"}, accountB: {`b, "two"`, "Root/Production", "ACTIVE"}, "777788889999": {nil, nil, nil}}
	type sums struct {
		cost, before                                               int64
		executions, refused, incomplete, waiting, access, old, own int64
		accounts, people                                           map[string]bool
	}
	for _, by := range []string{"account_id", "ou"} {
		groups := map[string]*sums{}
		for i := range all {
			e := &all[i]
			key := e.AccountID
			if by == "ou" {
				key = fmt.Sprint(names[e.AccountID][1])
			}
			g := groups[key]
			if g == nil {
				g = &sums{accounts: map[string]bool{}, people: map[string]bool{}}
				groups[key] = g
			}
			if e.SubmissionDateTime.Before(week.From) {
				if e.Cost != nil {
					g.before += int64(*e.Cost)
				}
				continue
			}
			if !e.SubmissionDateTime.Before(week.To) {
				continue
			}
			g.accounts[e.AccountID], g.people[e.Person] = true, true
			if e.Cost != nil {
				g.cost += int64(*e.Cost)
			}
			if e.Gap == athenatrail.GapNotStarted {
				g.refused++
				continue
			}
			g.executions++
			if e.Gap != "" {
				g.incomplete++
			}
			switch e.Gap {
			case athenatrail.GapNoDetail, athenatrail.GapPending:
				g.waiting++
			case athenatrail.GapNoAccess:
				g.access++
			case athenatrail.GapExpired:
				g.old++
			case athenatrail.GapNoEvent:
				g.own++
			}
		}
		var want, got []string
		for key, g := range groups {
			want = append(want, fmt.Sprintf("%s %d %d: %d %d, %d: %d %d %d %d, %d accounts %d people", key, g.cost, g.before,
				g.executions, g.refused, g.incomplete, g.waiting, g.access, g.old, g.own, len(g.accounts), len(g.people)))
		}
		for _, rows := range []bool{false, true} {
			p := week
			p.By, p.Rows = []string{by}, rows
			got = nil
			for _, r := range answer(t, d, "accounts", p) {
				key := fmt.Sprint(r["account_id"])
				if by == "ou" {
					key = fmt.Sprint(r["ou"])
					if r["account_id"] != nil || r["account_name"] != nil {
						t.Errorf("a unit has an account: %v", r)
					}
				} else if n := names[key]; n[0] != r["account_name"] || n[1] != r["ou"] || n[2] != r["account_state"] {
					t.Errorf("%s is %v, %v, %v, want %v", key, r["account_name"], r["ou"], r["account_state"], n)
				}
				got = append(got, fmt.Sprintf("%s %d %d: %v %v, %v: %v %v %v %v, %v accounts %v people", key, nanos(t, r["cost"]), nanos(t, r["cost_before"]),
					r["executions"], r["not_started"], r["incomplete"], r["waiting"], r["no_access"], r["expired"], r["no_event"], r["accounts"], r["people"]))
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("by %s, rows %v (-want +got):\n%s", by, rows, diff)
			}
		}
	}
	p := week
	p.By = []string{"person"}
	_, err := d.Report(context.Background(), "accounts", p)
	mustFail(t, err, "unknown column to group by")
}

// nanos returns an amount in units of 10^-9.
func nanos(t *testing.T, v any) int64 {
	t.Helper()
	if v == nil {
		return 0
	}
	whole, part, _ := strings.Cut(fmt.Sprint(v), ".")
	var n int64
	if _, err := fmt.Sscan(whole+(part + "000000000")[:9], &n); err != nil {
		t.Fatalf("amount %v: %v", v, err)
	}
	return n
}

// What Athena said of work groups stands beside their usage, of the same
// account and region alone.
func TestWorkGroupSettings(t *testing.T) {
	l := &lakeDir{t: t}
	for i, at := range []struct{ account, region string }{{accountA, "eu-west-1"}, {accountA, "us-east-1"}, {accountB, "eu-west-1"}} {
		e := execution(i, weekStart, "alice", 1000, 1e9)
		e.AccountID, e.RegionName, e.WorkGroupName = at.account, at.region, "etl"
		l.executions = append(l.executions, e)
	}
	root := l.write()
	told(t, root, "2026-10-01", toldOf(athenatrail.KindWorkGroup, accountA, "eu-west-1", "etl", `{"Tags":[]}`))
	told(t, root, "2026-11-09",
		toldOf(athenatrail.KindWorkGroup, accountA, "eu-west-1", "etl",
			`{"Tags":[],"WorkGroup":{"Configuration":{"BytesScannedCutoffPerQuery":10000000,"EnforceWorkGroupConfiguration":true,"EngineVersion":{"EffectiveEngineVersion":"Athena engine version 3","SelectedEngineVersion":"AUTO"},"ResultConfiguration":{"OutputLocation":"s3://b"}},"State":"ENABLED"}}`),
		toldOf(athenatrail.KindWorkGroup, accountA, "us-east-1", "etl", `no JSON`),
		toldOf(athenatrail.KindWorkGroup, accountB, "eu-west-1", "other", `{"WorkGroup":{"State":"DISABLED"}}`))
	d := open(t, root, Options{})
	var got []string
	for _, r := range answer(t, d, "workgroups", week) {
		got = append(got, fmt.Sprint(r["account_id"], " ", r["region_name"], " ", r["bytes_scanned_cutoff"], " ", r["settings_enforced"], " ", r["engine_effective"], " ", r["work_group_state"]))
	}
	slices.Sort(got)
	want := []string{
		accountA + " eu-west-1 10000000 true Athena engine version 3 ENABLED",
		accountA + " us-east-1 <nil> <nil> <nil> <nil>",
		accountB + " eu-west-1 <nil> <nil> <nil> <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}
