package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/team"
)

// missing is how awsconn tells a permission that is missing.
type missing struct{ permission, about string }

func (m missing) Error() string      { return "not allowed to call " + m.permission + " on " + m.about }
func (m missing) Permission() string { return m.permission }
func (m missing) Hint() string       { return "attach directory.json" }

// A learner runs collections into one lake, each with one more query.
type learner struct {
	t     *testing.T
	store lake.Store
	trail string
	teams *team.Rules
	files int
	asked []string
}

func newLearner(t *testing.T, rules ...team.Rule) *learner {
	teams, err := team.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return &learner{t: t, store: openDir(t, t.TempDir()), trail: t.TempDir(), teams: teams}
}

// run collects at a time, after a query of that moment.
func (l *learner) run(at time.Time, refs collect.References) *collect.Summary {
	l.t.Helper()
	news := make([][]string, l.files+1)
	news[l.files] = []string{sql(fmt.Sprintf("q%02d1", l.files), at, user("rosa"))}
	l.files++
	writeFiles(l.t, l.trail, news)
	l.asked = nil
	sum, err := runWith(l.t, l.store, l.trail, nil, func(o *collect.Options) {
		o.Now, o.Settings.Teams, o.References = at, l.teams, &refs
	})
	if err != nil {
		l.t.Fatal(err)
	}
	mustRebuildToTheSame(l.t, l.store, func(b *rebuild.Builder) { b.Settings.Teams = l.teams })
	return sum
}

func (l *learner) ask(what, answer string, err error) func(context.Context, string, string, string) (string, error) {
	return func(_ context.Context, _, _, name string) (string, error) {
		l.asked = append(l.asked, what+" "+name)
		return answer, err
	}
}

// facts are the references that are held, oldest first.
func (l *learner) facts() (facts []string) {
	l.t.Helper()
	held, err := lake.Open(l.t.Context(), l.store)
	if err != nil {
		l.t.Fatal(err)
	}
	all, err := rebuild.NewReferences(held).All(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range all {
		facts = append(facts, r.Home.Date.String()[8:]+" "+r.ID+" "+r.Answer)
	}
	return facts
}

func (l *learner) teamsOf() (teams []string) {
	l.t.Helper()
	held, err := lake.Open(l.t.Context(), l.store)
	if err != nil {
		l.t.Fatal(err)
	}
	for file, err := range lake.Partitions(l.t.Context(), held, lake.QueryExecutions, 0, 0) {
		if err != nil {
			l.t.Fatal(err)
		}
		for q, err := range lake.ReadTable(l.t.Context(), held, lake.QueryExecutions, file.Partition) {
			if err != nil {
				l.t.Fatal(err)
			}
			teams = append(teams, q.Team)
		}
	}
	return teams
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Settings of a work group change without a day being derived again, its tags
// do not; each is asked for once a day.
func TestSettingsAndTags(t *testing.T) {
	l := newLearner(t, team.Rule{WorkGroupTag: "team"})
	refs := func(cutoff int, team string) collect.References {
		return collect.References{
			Settings: l.ask("settings", fmt.Sprintf(`{"WorkGroup":{"Configuration":{"BytesScannedCutoffPerQuery":%d}}}`, cutoff), nil),
			Tags:     l.ask("tags", `{"Tags":[{"Key":"team","Value":"`+team+`"}]}`, nil),
		}
	}
	l.run(on(0, "10:00:00"), collect.References{Settings: refs(1, "").Settings})
	same(t, "asked", l.asked, "settings w")
	same(t, "teams before tags were asked for", l.teamsOf(), "unassigned")

	// Tags are new, and count for the days before too; settings are not asked
	// for again on the same day.
	l.run(on(0, "11:00:00"), refs(2, "growth"))
	same(t, "asked", l.asked, "tags w")
	same(t, "teams", l.teamsOf(), "growth", "growth")
	l.run(on(0, "12:00:00"), refs(3, "other"))
	same(t, "asked on the same day", l.asked)

	if sum := l.run(on(4, "10:00:00"), refs(4, "growth")); sum.Derived != 1 {
		t.Errorf("new settings derived %d days, want that of the new query", sum.Derived)
	}
	same(t, "asked a day later", l.asked, "tags w", "settings w")
	if sum := l.run(on(8, "10:00:00"), refs(4, "finance")); sum.Derived != 2 {
		t.Errorf("new tags derived %d days, want that of the new query twice", sum.Derived)
	}
	same(t, "teams", l.teamsOf(), "growth", "growth", "growth", "growth", "finance")
	day := func(n int) string { return on(n, "00:00:00").Format("02") }
	same(t, "facts", l.facts(),
		day(0)+` w {"Tags":[{"Key":"team","Value":"growth"}],"WorkGroup":{"Configuration":{"BytesScannedCutoffPerQuery":1}}}`,
		day(4)+` w {"Tags":[{"Key":"team","Value":"growth"}],"WorkGroup":{"Configuration":{"BytesScannedCutoffPerQuery":4}}}`,
		day(8)+` w {"Tags":[{"Key":"team","Value":"finance"}],"WorkGroup":{"Configuration":{"BytesScannedCutoffPerQuery":4}}}`)
}

// What is refused takes nothing away that was told, is named once for all work
// groups, and is asked for again.
func TestSettingsAreDenied(t *testing.T) {
	l := newLearner(t)
	denied := func(_ context.Context, _, _, name string) (string, error) {
		l.asked = append(l.asked, name)
		return "", fmt.Errorf("read the settings of %s: %w", name, missing{"athena:GetWorkGroup", name})
	}
	tags := l.ask("tags", `{"Tags":[]}`, nil)
	l.run(on(0, "10:00:00"), collect.References{Tags: tags, Settings: denied})
	for range 2 {
		sum := l.run(on(0, "11:00:00"), collect.References{Tags: tags, Settings: denied})
		same(t, "problems", sum.Problems,
			"read the settings of work groups in 111122223333 eu-west-1: read the settings of w: not allowed to call athena:GetWorkGroup on w (attach directory.json)")
		same(t, "asked", l.asked, "w")
	}
	l.run(on(1, "10:00:00"), collect.References{Settings: l.ask("settings", `{"WorkGroup":{"State":"ENABLED"}}`, nil)})
	l.run(on(2, "10:00:00"), collect.References{Tags: tags, Settings: denied})
	day := func(n int) string { return on(n, "00:00:00").Format("02") }
	same(t, "facts", l.facts(), day(0)+` w {"Tags":[]}`, day(1)+` w {"Tags":[],"WorkGroup":{"State":"ENABLED"}}`)

	// Several work groups lack one permission: that is one problem.
	other := strings.ReplaceAll(sql("q991", on(3, "10:00:00"), user("rosa")), `"w"`, `"other"`)
	writeFiles(t, l.trail, append(make([][]string, l.files), []string{other, sql("q992", on(3, "10:00:00"), user("rosa"))}))
	l.files++
	sum := l.run(on(3, "11:00:00"), collect.References{Settings: denied})
	same(t, "problems", sum.Problems,
		"read the settings of work groups in 111122223333 eu-west-1: read the settings of other: not allowed to call athena:GetWorkGroup on other (attach directory.json); and 1 more like it")
}

// What the user says of accounts goes before what Organizations says, which is
// asked once a day; names stay where units may not be listed any more.
func TestAccountsAndUnits(t *testing.T) {
	l := newLearner(t, team.Rule{Team: "production", OU: "root/production*"}, team.Rule{Team: "lab", Account: "lab-*"})
	account := func(answer string) []athenatrail.Reference {
		return []athenatrail.Reference{{Kind: athenatrail.KindAccount, ID: here, Answer: answer}}
	}
	organization := func(answer string, err error) func(context.Context) ([]athenatrail.Reference, error) {
		return func(context.Context) ([]athenatrail.Reference, error) {
			l.asked = append(l.asked, "accounts")
			return account(answer), err
		}
	}
	sum := l.run(on(0, "10:00:00"), collect.References{Accounts: organization(`{"Name":"lab-7","State":"ACTIVE"}`, missing{"organizations:ListRoots", "*"})})
	same(t, "problems", sum.Problems, "ask Organizations for the accounts: not allowed to call organizations:ListRoots on * (attach directory.json)")
	same(t, "names without units", l.teamsOf(), "lab")

	l.run(on(0, "11:00:00"), collect.References{Accounts: organization(`{"Name":"lab-7","OU":"Root/Production/Data","State":"ACTIVE"}`, nil)})
	same(t, "asked again after a failure", l.asked, "accounts")
	same(t, "the first unit counts for the days before too", l.teamsOf(), "production", "production")
	l.run(on(0, "12:00:00"), collect.References{Accounts: organization(`{"Name":"x"}`, nil)})
	same(t, "asked on the same day", l.asked)

	// An account's state changes no day; nor does a unit that may not be told.
	if sum := l.run(on(4, "10:00:00"), collect.References{Accounts: organization(`{"Name":"lab-7","State":"SUSPENDED"}`, errors.New("denied"))}); sum.Derived != 1 {
		t.Errorf("a state derived %d days", sum.Derived)
	}
	l.run(on(8, "10:00:00"), collect.References{Given: account(`{"OU":"Root/Sandbox"}`), Accounts: organization(`{"Name":"lab-7","OU":"Root/Production","State":"ACTIVE"}`, nil)})
	same(t, "teams", l.teamsOf(), "production", "production", "production", "production", "lab")
	if sum := l.run(on(8, "11:00:00"), collect.References{Given: account(`{"OU":"Root/Sandbox"}`)}); sum.Derived != 1 {
		t.Errorf("what was said before derived %d days", sum.Derived)
	}
	day := func(n int) string { return on(n, "00:00:00").Format("02") + " " + here }
	same(t, "facts", l.facts(),
		day(0)+` {"Name":"lab-7","OU":"Root/Production/Data","State":"ACTIVE"}`,
		day(4)+` {"Name":"lab-7","OU":"Root/Production/Data","State":"SUSPENDED"}`,
		day(8)+` {"Name":"lab-7","OU":"Root/Sandbox","State":"ACTIVE"}`)
	if !slices.Contains(l.teamsOf(), "lab") {
		t.Error("no team by name")
	}
}
