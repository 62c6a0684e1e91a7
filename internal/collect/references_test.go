package collect_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/team"
)

// TestReferencesThatChange lets tags, people and account names change between
// runs: what is told of older days follows the first answer, what is told of
// later days the last, and deriving all of it again changes nothing.
func TestReferencesThatChange(t *testing.T) {
	teams, err := team.New([]team.Rule{{WorkGroupTag: "team"}, {Team: "lab", Account: "lab-*"}})
	if err != nil {
		t.Fatal(err)
	}
	sso := strings.Replace(roleSession(here, "AWSReservedSSO_Analyst_0123456789abcdef", "mina", "ASIASSO"), `"accountId"`,
		`"onBehalfOf":{"userId":"u-1","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-1"},"accountId"`, 1)
	records := []string{
		sql("q101", on(0, "10:00:00"), sso),
		startedSession("s101", lateS1, on(0, "11:00:00"), user("rosa")),
		endedSession("t101", lateS1, on(1, "11:00:00"), sso),
		sql("q102", on(10, "10:00:00"), sso),
		sql("q103", on(10, "11:00:00"), user("rosa")),
		strings.ReplaceAll(sql("q104", on(50, "10:00:00"), sso), `"w"`, `"other"`),
	}
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	answers := map[string]string{}
	var asked []string
	written := 0
	run := func(days, upTo int) {
		t.Helper()
		news := make([][]string, upTo) // log files that were read stay as they are
		for ; written < upTo; written++ {
			news[written] = []string{records[written]}
		}
		writeFiles(t, trail, news)
		asked = nil
		ask := func(id string) (string, error) { asked = append(asked, id); return answers[id], nil }
		_, err := runWith(t, store, trail, &sparkDetails{}, func(o *collect.Options) {
			o.Now, o.Settings.Teams = on(days, "12:00:00"), teams
			o.References = &collect.References{
				Tags: func(_ context.Context, _, _, name string) (string, error) { return ask(name) },
				User: func(_ context.Context, _, id string) (string, error) { return ask(id) },
				Accounts: func(context.Context) ([]athenatrail.Reference, error) {
					a, err := ask(here)
					return []athenatrail.Reference{{Kind: athenatrail.KindAccount, ID: here, Answer: a}}, err
				},
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		mustRebuildToTheSame(t, store, func(b *rebuild.Builder) { b.Settings.Teams = teams })
	}
	check := func(what string, want ...string) {
		t.Helper()
		l, err := lake.Open(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range []int{0, 10, 50} {
			p := athenatrail.NewPartition(on(d, "00:00:00"), here, "eu-west-1")
			for q, err := range lake.ReadTable(t.Context(), l, lake.QueryExecutions, p) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%s %s %s", q.EventID, q.Person, q.Team))
			}
			for s, err := range lake.ReadTable(t.Context(), l, lake.Sessions, p) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%s ended by %s, %s", s.EventID, s.EndedBy, s.Team))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	answers["w"], answers[here] = `{"Tags":[{"Key":"team","Value":"growth"}]}`, `{"Name":"lab-7"}`
	run(1, 3)
	check("the user is not known yet", "q101 u-1 growth", "s101 ended by u-1, lab")
	if want := []string{"spark", "w", "u-1", here}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	answers["u-1"] = `{"Email":"Mina@Example.com"}`
	run(10, 5)
	check("the first answer counts for the days before too", "q101 mina@example.com growth", "s101 ended by mina@example.com, lab", "q102 mina@example.com growth", "q103 rosa growth")
	answers["w"], answers["spark"], answers["u-1"] = `{"Tags":[{"Key":"team","Value":"finance"}]}`, `{"Tags":[{"Key":"team","Value":"ml"}]}`, `{"Email":"mina.k@example.com"}`
	run(50, 6)
	check("later ones do not", "q101 mina@example.com growth", "s101 ended by mina@example.com, lab", "q102 mina@example.com growth", "q103 rosa growth", "q104 mina.k@example.com lab")
	answers["other"] = `{"Tags":[{"Key":"team","Value":"late"}]}`
	records = append(records, strings.ReplaceAll(sql("q105", on(50, "11:00:00"), sso), `"w"`, `"other"`))
	run(51, 7)
	check("a first one does", "q101 mina@example.com growth", "s101 ended by mina@example.com, lab", "q102 mina@example.com growth", "q103 rosa growth", "q104 mina.k@example.com late", "q105 mina.k@example.com late")
	if slices.Contains(asked, "u-1") {
		t.Errorf("a user was asked about a day after: %v", asked)
	}
	// After thirty days a user is asked about again, and then not for as long.
	records = append(records, sql("q106", on(50, "12:00:00"), sso))
	run(90, 8)
	if !slices.Contains(asked, "u-1") {
		t.Errorf("a user was not asked about again: %v", asked)
	}
	records = append(records, sql("q107", on(50, "13:00:00"), sso))
	run(91, 9)
	if slices.Contains(asked, "u-1") {
		t.Errorf("a user was asked about a day after: %v", asked)
	}
}
