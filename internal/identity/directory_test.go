package identity

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

func TestDirectory(t *testing.T) {
	d, err := NewDirectory([]Entry{
		{ID: "metabase:7", Email: "Otto@Example.com", From: day(t, "2026-05-04"), To: day(t, "2026-05-06")},
		{ID: "metabase:7", Name: "Paul", From: day(t, "2026-05-06")},
		{ID: "metabase:7", Name: "Ines", To: day(t, "2026-05-01")},
		{ID: "session:Rosa@Example.com", Name: "Rosa"},
		{ID: "session:a:b", Name: "colon"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(id, on, want string) {
		t.Helper()
		got := ""
		if e, ok := d.Lookup(id, day(t, on)); ok {
			got = e.person()
		}
		if got != want {
			t.Errorf("%s on %s: %q, want %q", id, on, got, want)
		}
	}
	f("metabase:7", "2020-01-01", "Ines")
	f("metabase:7", "2026-04-30", "Ines")
	f("metabase:7", "2026-05-01", "")
	f("metabase:7", "2026-05-03", "")
	f("metabase:7", "2026-05-04", "otto@example.com")
	f("metabase:7", "2026-05-05", "otto@example.com")
	f("metabase:7", "2026-05-06", "Paul")
	f("metabase:7", "2099-01-01", "Paul")
	f("session:rosa@example.com", "2026-05-04", "Rosa")
	f("session:ROSA@example.com", "2026-05-04", "Rosa")
	f("session:a:b", "2026-05-04", "colon")
	f("session:a", "2026-05-04", "")
	f("iam_user:rosa@example.com", "2026-05-04", "")
	f("", "2026-05-04", "")

	if _, ok := (*Directory)(nil).Lookup("session:rosa", 20000); ok {
		t.Error("no directory maps something")
	}
}

func TestNewDirectoryRefuses(t *testing.T) {
	f := func(want string, entries ...Entry) {
		t.Helper()
		for i := range entries {
			entries[i].Line = i + 2
		}
		if _, err := NewDirectory(entries); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	ok := Entry{ID: "session:rosa", Name: "Rosa"}
	with := func(change func(*Entry)) Entry { e := ok; change(&e); return e }

	for _, id := range []string{"", "rosa", "session:", ":rosa", "Session:rosa", "7:rosa", "my tool:7", "session: rosa", "session:rosa ", "session:a\x00b"} {
		f("line 3: id ", ok, with(func(e *Entry) { e.ID = id }))
	}
	f(`prefix "identity_centre": did you mean identity_center?`, with(func(e *Entry) { e.ID = "identity_centre:u" }))
	f(`prefix "iamuser": did you mean iam_user?`, with(func(e *Entry) { e.ID = "iamuser:rosa" }))
	f(`prefix "sessions": did you mean session?`, with(func(e *Entry) { e.ID = "sessions:rosa" }))
	for _, email := range []string{"rosa", "@example.com", "rosa@", "a@b@c", "a b@example.com", "rosa@.com", "rosa@example..com", "<rosa@example.com>", strings.Repeat("a", 320) + "@example.com"} {
		f("email", with(func(e *Entry) { e.Email = email }))
	}
	f("want a name, an email or a team", with(func(e *Entry) { e.Name = "" }))
	f("leave it empty", with(func(e *Entry) { e.Team = "unassigned" }))
	f("team", with(func(e *Entry) { e.Team = "a\nb" }))
	f("name", with(func(e *Entry) { e.Name = strings.Repeat("a", maxText+1) }))
	f("valid_to 2026-05-04: want a day after valid_from 2026-05-04", with(func(e *Entry) { e.From, e.To = day(t, "2026-05-04"), day(t, "2026-05-04") }))

	const twice = `line 3: id "session:rosa" is in line 2 already, for days that overlap`
	from, to := func(s string) Entry { return with(func(e *Entry) { e.From = day(t, s) }) }, func(s string) Entry { return with(func(e *Entry) { e.To = day(t, s) }) }
	f(twice, ok, ok)
	f(twice, ok, from("2026-05-04"))
	f(twice, from("2026-05-04"), ok)
	f(twice, from("2026-05-04"), to("2026-05-05"))
	f(twice, to("2026-05-05"), from("2026-05-04"))
	f(`line 3: id "session:rosa@example.com" is in line 2`, with(func(e *Entry) { e.ID = "session:Rosa@Example.com" }), with(func(e *Entry) { e.ID = "session:rosa@example.com" }))
	if _, err := NewDirectory([]Entry{from("2026-05-04"), to("2026-05-04")}); err != nil {
		t.Errorf("days that touch: %v", err)
	}

	teamed := func(id, team, from, to string) Entry {
		e := Entry{ID: id, Email: "rosa@example.com", Team: team}
		if from != "" {
			e.From = day(t, from)
		}
		if to != "" {
			e.To = day(t, to)
		}
		return e
	}
	f(`line 4: rosa@example.com is in team "b", in line 2 in team "a", for days that overlap`,
		teamed("session:rosa", "a", "", ""), teamed("iam_user:rosa", "a", "2026-01-01", "2026-02-01"), teamed("redash:rosa", "b", "2026-03-01", ""))
	f(`for days that overlap`, teamed("session:rosa", "a", "2026-01-10", ""), teamed("iam_user:rosa", "b", "", "2026-01-11"))
	if _, err := NewDirectory([]Entry{teamed("session:rosa", "a", "", "2026-01-01"), teamed("iam_user:rosa", "b", "2026-01-01", ""), teamed("redash:rosa", "", "", "")}); err != nil {
		t.Errorf("a move: %v", err)
	}
}

// The directory at each rung: by address, else by name, else as it stands.
func TestDirectoryAtRungs(t *testing.T) {
	s := directory(t,
		Entry{ID: "identity_center:user-1", Email: "rosa@example.com", Name: "Rosa", Team: "sales"},
		Entry{ID: "identity_center:user-2", Name: "Ines"},
		Entry{ID: "identity_center:user-3", Team: "audit"},
		Entry{ID: "source_identity:rosa", Email: "rosa@example.com"},
		Entry{ID: "session:rosad", Email: "rosa@example.com"},
		Entry{ID: "session:4711", Email: "rosa@example.com"},
		Entry{ID: "session:loader", Team: "loads"},
		Entry{ID: "iam_user:rosa", Email: "rosa@example.com"},
		Entry{ID: "iam_user:svc-orders", Name: "Orders", Team: "shop"},
		Entry{ID: "iam_user:old", Name: "Old", To: day(t, "2026-05-04")},
		Entry{ID: "federated_user:rosa", Email: "rosa@example.com"},
		Entry{ID: "federated_user:110169484474386276334", Email: "rosa@example.com"},
		Entry{ID: "metabase:7", Email: "ines@example.com", Team: "bi"},
	)
	known := &facts{users: map[string][2]string{
		"user-1": {"other@example.com", ""}, "user-3": {"Uma@Example.com", "Uma"}, "user-4": {"", "Wanda"}, "user-5": {"", ""},
	}}
	f := func(r athenatrail.Record, want string) {
		t.Helper()
		answers(t, want, callAt(r, "ASIA", clock(0, "12:00")), known, nil, s, want)
	}
	center := func(user string) athenatrail.Record {
		return with(ssoCall("x"), func(r *athenatrail.Record) { r.Identity.OnBehalfOf.UserID = user })
	}
	f(center("user-1"), "rosa@example.com human identity_center vouched in sales")
	f(center("user-2"), "Ines human identity_center vouched")
	f(center("user-3"), "uma@example.com human identity_center vouched in audit")
	f(center("user-4"), "Wanda human identity_center vouched")
	f(center("user-5"), "user-5 human identity_center vouched")
	f(with(etl(), func(r *athenatrail.Record) { r.Identity.SourceIdentity = "rosa" }), "rosa@example.com human source_identity vouched in sales")
	f(ssoCall("rosad"), "rosa@example.com human sso_session vouched in sales")
	f(ssoCall("Rosa@Example.com"), "rosa@example.com human sso_session vouched in sales")
	f(roleCall("analyst", "rosad"), "rosa@example.com human session_name session in sales")
	f(roleCall("analyst", "4711"), "rosa@example.com human session_name session in sales")
	f(roleCall("analyst", "4712"), "analyst service role vouched")
	f(roleCall("analyst", "loader"), "loader human session_name session in loads")
	f(roleCall("analyst", "ines@example.com"), "ines@example.com human session_name session in bi")
	f(userCall("rosa"), "rosa@example.com human iam_user vouched in sales")
	f(userCall("old"), "old human iam_user vouched")
	f(userCall("svc-orders"), "svc-orders service service vouched in shop")
	f(caller(athenatrail.Identity{Type: "FederatedUser", ARN: "arn:aws:sts::123456789012:federated-user/rosa"}), "rosa@example.com human federated_user vouched in sales")

	// Behind a chain and behind a notebook's session, by the day of the call.
	known.issue("ASIACHAIN", userCall("rosa"), clock(0, "11:00")).start("s1", ssoCall("rosad"), clock(-3, "09:00")).
		issue("ASIAWEB", webCall("110169484474386276334", "accounts.google.com"), clock(0, "11:00")).
		issue("ASIAOLD", userCall("old"), clock(-1, "23:00"))
	answers(t, "chain", callAt(etl(), "ASIACHAIN", clock(0, "12:00")), known, nil, s, "rosa@example.com human role_chain vouched in sales")
	answers(t, "web identity", callAt(etl(), "ASIAWEB", clock(0, "12:00")), known, nil, s, "rosa@example.com human role_chain vouched in sales")
	answers(t, "the day before", callAt(etl(), "ASIAOLD", clock(-1, "23:30")), known, nil, s, "Old human role_chain vouched")
	answers(t, "the day", callAt(etl(), "ASIAOLD", clock(0, "00:00")), known, nil, s, "old human role_chain vouched")
	answers(t, "notebook", callAt(roleCall("spark", "AthenaExecutor-s1"), "ASIA", clock(0, "12:00")), known, nil, s, "rosa@example.com human notebook_session vouched in sales")

	// The line is told, and the Identity Store.
	_, evidence := answers(t, "line", callAt(center("user-1"), "ASIA", clock(0, "12:00")), known, nil, s, "rosa@example.com human identity_center vouched in sales")
	if len(evidence) != 1 || evidence[0] != (Evidence{Says: "the directory, line 2: identity_center:user-1 is rosa@example.com, in team sales"}) {
		t.Errorf("%+v", evidence)
	}
	_, evidence = answers(t, "store", callAt(center("user-4"), "ASIA", clock(0, "12:00")), known, nil, s, "Wanda human identity_center vouched")
	if len(evidence) != 1 || evidence[0] != (Evidence{Says: "the Identity Store: user user-4 is Wanda"}) {
		t.Errorf("%+v", evidence)
	}
}

// The order of lines changes nothing, what they say does.
func TestDirectoryHash(t *testing.T) {
	a, b := Entry{ID: "session:rosa", Name: "Rosa"}, Entry{ID: "iam_user:rosa", Name: "Rosa", Team: "x"}
	one, two := directory(t, a, b).Hash(), directory(t, b, a).Hash()
	if one != two {
		t.Error("the order of lines counts")
	}
	seen := map[string]bool{settings(t, nil).Hash(): true, one: true}
	for _, change := range []func(*Entry){
		func(e *Entry) { e.ID = "iam_user:ines" }, func(e *Entry) { e.Name = "Ines" }, func(e *Entry) { e.Team = "y" },
		func(e *Entry) { e.Email = "rosa@example.com" }, func(e *Entry) { e.From = 1 }, func(e *Entry) { e.To = 1 },
	} {
		c := b
		change(&c)
		h := directory(t, a, c).Hash()
		if seen[h] {
			t.Errorf("%+v has the hash of another", c)
		}
		seen[h] = true
	}
}
