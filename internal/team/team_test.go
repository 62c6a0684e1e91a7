package team

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

func day(t testing.TB, s string) athenatrail.Date {
	t.Helper()
	d, err := athenatrail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rules(t testing.TB, r ...Rule) *Rules {
	t.Helper()
	rs, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestOneRule(t *testing.T) {
	const today = "2026-05-04"
	call := Call{
		Person: "rosa@example.com", Role: "Analyst", Account: "111122223333", AccountName: "Analytics-Prod", AccountOU: "Root/Production/Data",
		WorkGroup: "etl", Tool: "dbt", Tags: map[string]string{"team": "Growth", "empty": "", "broken": "a\nb", "cost": "cc-42=x"},
	}
	f := func(r Rule, want string) {
		t.Helper()
		if r.WorkGroupTag == "" {
			r.Team = "data"
		}
		team, index, ok := rules(t, r).Of(&call, day(t, today))
		if team != want || index != 0 || ok != (want != "") {
			t.Errorf("%+v: got %q, %d, %v, want %q", r, team, index, ok, want)
		}
	}
	f(Rule{}, "data")
	f(Rule{Person: "*@example.com"}, "data")
	f(Rule{Person: "ROSA@*"}, "data")
	f(Rule{Person: "*@example.org"}, "")
	f(Rule{Role: "analyst"}, "data")
	f(Rule{Role: "Analyst-*"}, "")
	f(Rule{Account: "111122223333"}, "data")
	f(Rule{Account: "1111*"}, "data")
	f(Rule{Account: "444455556666"}, "")
	f(Rule{Account: "analytics-*"}, "data")
	f(Rule{Account: "*"}, "data")
	f(Rule{Account: "sandbox"}, "")
	f(Rule{OU: "root/production/*"}, "data")
	f(Rule{OU: "Root/Production*"}, "data")
	f(Rule{OU: "Root/Production"}, "")
	f(Rule{OU: "*/Data", Account: "analytics-*"}, "data")
	f(Rule{OU: "*/Data", Account: "sandbox"}, "")
	f(Rule{WorkGroup: "e?l"}, "data")
	f(Rule{WorkGroup: "primary"}, "")
	f(Rule{Tool: "dbt"}, "data")
	f(Rule{Tool: "redash"}, "")
	f(Rule{Person: "rosa@*", Tool: "redash"}, "") // every field must match
	f(Rule{Person: "rosa@*", Tool: "dbt", Account: "*-prod"}, "data")

	f(Rule{Team: "data", WorkGroupTag: "team=grow*"}, "data")
	f(Rule{Team: "data", WorkGroupTag: "team=sales"}, "")
	f(Rule{Team: "data", WorkGroupTag: "Team=growth"}, "") // AWS's keys have a case
	f(Rule{Team: "data", WorkGroupTag: "team"}, "data")
	f(Rule{Team: "data", WorkGroupTag: "empty"}, "data")
	f(Rule{Team: "data", WorkGroupTag: "empty="}, "data")
	f(Rule{Team: "data", WorkGroupTag: "missing=*"}, "")
	f(Rule{Team: "data", WorkGroupTag: "cost=cc-42=*"}, "data") // the key ends at the first =
	f(Rule{WorkGroupTag: "team"}, "Growth")
	f(Rule{WorkGroupTag: "team", Person: "*@example.org"}, "")
	f(Rule{WorkGroupTag: "empty"}, "") // a value that is no name
	f(Rule{WorkGroupTag: "broken"}, "")

	f(Rule{From: day(t, today)}, "data")
	f(Rule{From: day(t, "2026-05-05")}, "")
	f(Rule{To: day(t, today)}, "")
	f(Rule{To: day(t, "2026-05-05")}, "data")
	f(Rule{From: day(t, "2026-05-01"), To: day(t, "2026-06-01")}, "data")
}

// What a call lacks matches no pattern, not even *.
func TestCallWithoutFields(t *testing.T) {
	for _, r := range []Rule{{Person: "*"}, {Role: "*"}, {Account: "*"}, {Account: "*prod*"}, {WorkGroup: "*"}, {WorkGroupTag: "team=*"}, {Tool: "*"}} {
		r.Team = "data"
		if team, _, ok := rules(t, r).Of(&Call{}, 0); ok {
			t.Errorf("%+v: got %q", r, team)
		}
	}
}

func TestNoRules(t *testing.T) {
	for _, r := range []*Rules{nil, rules(t)} {
		if team, _, ok := r.Of(&Call{Person: "rosa"}, 0); ok || r.NeedsTags() || r.NeedsAccountNames() || r.Hash() != (*Rules)(nil).Hash() {
			t.Errorf("%v: got %q", r, team)
		}
	}
}

func TestNew(t *testing.T) {
	f := func(want string, r ...Rule) {
		t.Helper()
		rs, err := New(r)
		var e *RuleError
		if err == nil || rs != nil || err.Error() != want || !errors.As(err, &e) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	ok := Rule{Team: "a", Person: "b"}
	f(`teams[1]: no team: want its name, or a work_group_tag whose value is the team`, ok, Rule{Person: "x"})
	f(`teams[0]: no team: want its name, or work_group_tag "team" alone, whose value then is the team`, Rule{WorkGroupTag: "team=x"})
	f(`teams[0].team " a": want a name of one line and at most 256 bytes`, Rule{Team: " a"})
	f(`teams[0].team "a\nb": want a name of one line and at most 256 bytes`, Rule{Team: "a\nb"})
	f(`teams[0].person "\xff": want a text of one line and at most 2048 bytes`, Rule{Team: "a", Person: "\xff"})
	f(`teams[0].role "arn:aws:iam::111122223333:role/etl": want a role's name without ARN and path, in which * and ? may stand`,
		Rule{Team: "a", Role: "arn:aws:iam::111122223333:role/etl"})
	f(`teams[0].account "12345678901": want an account's 12 digits with their leading zeros, its name, or a pattern of either`,
		Rule{Team: "a", Account: "12345678901"})
	f(`teams[0].work_group "a b": want a work group's name, in which * and ? may stand`, Rule{Team: "a", WorkGroup: "a b"})
	f(`teams[0].work_group_tag "=x": want key=value, where * and ? may stand in the value, or a key`, Rule{Team: "a", WorkGroupTag: "=x"})
	f(`teams[0].to "2026-05-04": want a day after from, which is 2026-05-04`, Rule{Team: "a", From: day(t, "2026-05-04"), To: day(t, "2026-05-04")})
	f("teams[0].work_group \"/\": want a work group's name, in which * and ? may stand\n"+
		"teams[2]: no call gets here, because teams[1] matches all: put that one last",
		Rule{Team: "a", WorkGroup: "/"}, Rule{Team: "rest"}, ok)
}

func TestNeeds(t *testing.T) {
	f := func(r Rule, tags, names bool) {
		t.Helper()
		rs := rules(t, Rule{Team: "a", Person: "b"}, r)
		if rs.NeedsTags() != tags || rs.NeedsAccountNames() != names {
			t.Errorf("%+v: tags %v, names %v", r, rs.NeedsTags(), rs.NeedsAccountNames())
		}
	}
	f(Rule{Team: "a", WorkGroup: "x"}, false, false)
	f(Rule{WorkGroupTag: "team"}, true, false)
	f(Rule{Team: "a", WorkGroupTag: "team=x"}, true, false)
	f(Rule{Team: "a", Account: "111122223333"}, false, false)
	f(Rule{Team: "a", Account: "1*"}, false, false)
	f(Rule{Team: "a", Account: "sandbox-*"}, false, true)
}

// Every field is in the hash, and so is the order.
func TestHash(t *testing.T) {
	base := Rule{Team: "a", Person: "p"}
	hashes := map[string]string{}
	add := func(name string, r ...Rule) {
		t.Helper()
		h := rules(t, r...).Hash()
		if before, twice := hashes[h]; twice || len(h) != 16 {
			t.Errorf("%s has the hash of %s: %s", name, before, h)
		}
		hashes[h] = name
	}
	with := func(change func(*Rule)) Rule { r := base; change(&r); return r }
	other := Rule{Team: "b", Person: "q"}
	add("none")
	add("base", base)
	add("team", with(func(r *Rule) { r.Team = "b" }))
	add("person", with(func(r *Rule) { r.Person = "q" }))
	add("role", with(func(r *Rule) { r.Role = "x" }))
	add("role for person", Rule{Team: "a", Role: "p"})
	add("account", with(func(r *Rule) { r.Account = "1*" }))
	add("account name", with(func(r *Rule) { r.Account = "x" }))
	add("work group", with(func(r *Rule) { r.WorkGroup = "x" }))
	add("tag", with(func(r *Rule) { r.WorkGroupTag = "x" }))
	add("tag's value", with(func(r *Rule) { r.WorkGroupTag = "x=" }))
	add("tool", with(func(r *Rule) { r.Tool = "x" }))
	add("from", with(func(r *Rule) { r.From = 1 }))
	add("to", with(func(r *Rule) { r.To = 1 }))
	add("two", base, other)
	add("two the other way", other, base)
	if rules(t, base).Hash() != rules(t, with(func(r *Rule) { r.Person = "P" })).Hash() {
		t.Error("case of a pattern changes the hash, and no team")
	}
}

// TestFirstMatchWins compares with each rule alone: the team is that of the
// first rule that matches by itself, and rules behind it change nothing.
func TestFirstMatchWins(t *testing.T) {
	texts := rapid.SampledFrom([]string{"", "", "", "a", "b*", "*a", "?"})
	dates := rapid.SampledFrom([]athenatrail.Date{0, 10, 20})
	drawRule := rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{
			Team: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "team"), Person: texts.Draw(t, "person"), Role: texts.Draw(t, "role"),
			Account: rapid.SampledFrom([]string{"", "", "1*", "prod", "111122223333"}).Draw(t, "account"), WorkGroup: texts.Draw(t, "work group"),
			WorkGroupTag: rapid.SampledFrom([]string{"", "", "team", "team=a*", "k="}).Draw(t, "tag"), Tool: texts.Draw(t, "tool"), From: dates.Draw(t, "from"),
		}
		if r.WorkGroupTag == "team" && rapid.Bool().Draw(t, "by tag") {
			r.Team = ""
		}
		if to := dates.Draw(t, "to"); to > r.From {
			r.To = to
		}
		return r
	})
	names := rapid.SampledFrom([]string{"", "a", "b", "ba", "B", "A"})
	// One rule that matches all may only be the last.
	rules := rapid.SliceOfN(drawRule, 0, 6).Filter(func(list []Rule) bool { _, err := New(list); return err == nil })
	calls := rapid.Custom(func(t *rapid.T) Call {
		return Call{
			Person: names.Draw(t, "person"), Role: names.Draw(t, "role"), WorkGroup: names.Draw(t, "work group"), Tool: names.Draw(t, "tool"),
			Account: rapid.SampledFrom([]string{"", "111122223333", "444455556666"}).Draw(t, "account"), AccountName: rapid.SampledFrom([]string{"", "Prod"}).Draw(t, "name"),
			Tags: rapid.MapOf(rapid.SampledFrom([]string{"team", "k"}), names).Draw(t, "tags"),
		}
	})
	// Of fixed draws, lest luck decides whether some call has a team.
	found := 0
	for seed := range 500 {
		c := calls.Example(seed)
		if rs, err := New(rules.Example(seed)); err == nil {
			if _, _, ok := rs.Of(&c, 15); ok {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no call had a team")
	}
	rapid.Check(t, func(t *rapid.T) {
		list := rules.Draw(t, "rules")
		rs, err := New(list)
		if err != nil {
			t.Fatal(err)
		}
		c := calls.Draw(t, "call")
		on := athenatrail.Date(rapid.IntRange(5, 25).Draw(t, "on"))
		wantTeam, wantIndex, wantOK := "", 0, false
		for i := range list {
			alone, err := New(list[i : i+1])
			if err != nil {
				t.Fatal(err)
			}
			if team, _, ok := alone.Of(&c, on); ok {
				wantTeam, wantIndex, wantOK = team, i, true
				break
			}
		}
		team, index, ok := rs.Of(&c, on)
		if team != wantTeam || index != wantIndex || ok != wantOK {
			t.Fatalf("%+v: got %q, %d, %v, want %q, %d, %v", c, team, index, ok, wantTeam, wantIndex, wantOK)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	var list []Rule
	for _, team := range strings.Fields("a b c d e f g h i j k l m n o p") {
		list = append(list, Rule{Team: team, Person: team + "-*@example.org"}, Rule{Team: team, WorkGroupTag: "team=" + team})
	}
	rs, err := New(list)
	if err != nil {
		b.Fatal(err)
	}
	c := Call{Person: "rosa@example.com", Account: "111122223333", WorkGroup: "primary", Tags: map[string]string{"team": "none"}}
	b.ReportAllocs()
	for b.Loop() {
		rs.Of(&c, 20000)
	}
}
