package limit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told writes outcomes as lines.
func told(list []Outcome) (lines []string) {
	for _, o := range list {
		line := fmt.Sprintf("%s %s %s %s", o.At.Format("01-02 15:04"), o.Subject, o.Threshold, o.Limit.Amount.Format(o.Used))
		if p := o.Prevented; p.Queries > 0 || p.Sessions > 0 {
			line += fmt.Sprintf(" -%d %s %s", p.Queries, o.Limit.Amount.Format(p.Bytes), p.Money())
		}
		if o.Protected != "" {
			line += " protected by " + o.Protected
		}
		lines = append(lines, line)
	}
	return lines
}

func TestSimulation(t *testing.T) {
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	f := func(d Definition, want ...string) {
		t.Helper()
		ls, err := Compile([]Definition{d}, Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: []string{"boss"}})
		if err != nil {
			t.Fatal(err)
		}
		s := ls.Simulate(from, from.AddDate(0, 0, 3))
		for _, x := range []struct {
			hour  int // from the first day's midnight
			who   string
			bytes int64
		}{
			{-2, "rosa", 90e9}, {-1, "rosa", 20e9}, // the day before
			{8, "rosa", 60e9}, {9, "rosa", 45e9}, {10, "rosa", 5e9}, {23, "rosa", 2e9},
			{24, "rosa", 10e9}, {40, "rosa", 200e9}, {41, "rosa", 7e9},
			{8, "boss", 130e9}, {9, "boss", 10e9},
			{80, "rosa", 500e9}, // behind the end
		} {
			s.Usage(row(from.Add(time.Duration(x.hour)*time.Hour), x.who, 1, x.bytes))
		}
		if diff := cmp.Diff(want, told(s.Outcomes())); diff != "" {
			t.Errorf("%s %s: %s", d.Window, d.Thresholds, diff)
		}
	}
	// Of the day before nothing is told, since it is not asked for. What came
	// after the stop did not run, so that the block is not reached that day.
	f(people("100 GB"),
		"11-02 08:15 boss 50%: notify 130 GB protected by boss",
		"11-02 08:15 boss 100%: stop 130 GB protected by boss",
		"11-02 08:15 boss 120%: block 130 GB protected by boss",
		"11-02 08:15 rosa 50%: notify 60.0 GB",
		"11-02 09:15 rosa 100%: stop 105 GB -2 7.00 GB $7.00",
		"11-03 16:15 rosa 50%: notify 210 GB",
		"11-03 16:15 rosa 100%: stop 210 GB",
		"11-03 16:15 rosa 120%: block 210 GB -1 7.00 GB $7.00")
	// In 24 hours that move, what the day before took is what stops: until 22:00,
	// when it is past.
	f(people("100 GB", func(d *Definition) {
		d.Window, d.Thresholds, d.Match.Person = "24h", []string{"100%: stop"}, []string{"rosa"}
	}),
		"11-01 23:15 rosa 100%: stop 110 GB -3 110 GB $110.00",
		"11-03 16:15 rosa 100%: stop 212 GB -1 7.00 GB $7.00")
	// One amount for both: whom protect names runs on.
	f(people("100 GB", func(d *Definition) { d.Per, d.Thresholds = "all", []string{"100%: stop"} }),
		"11-02 08:15 all together 100%: stop 190 GB -3 52.0 GB $52.00",
		"11-03 16:15 all together 100%: stop 210 GB -1 7.00 GB $7.00")
	f(people("100 GB", func(d *Definition) { d.Match.Person = []string{"nobody"} }))
	f(people("100 GB", func(d *Definition) {
		d.Exempt = []Exempt{{Match: Match{Person: []string{"*"}}, Until: "2026-11-03", Reason: "x"}}
		d.Thresholds = []string{"100%: block"}
	}), "11-03 16:15 rosa 100%: block 210 GB -1 7.00 GB $7.00")
}

// TestHoverIsToldOnce: in a window that moves, use around a threshold is told
// of again only after it fell well below.
func TestHoverIsToldOnce(t *testing.T) {
	ls := compile(t, people("100 GB", func(d *Definition) { d.Window, d.Thresholds = "2h", []string{"50%: notify"} }))
	s := ls.Simulate(noon, noon.AddDate(0, 0, 1))
	for i, gb := range []int64{26, 26, 24, 26, 24, 26, 0, 0, 0, 60} {
		s.Usage(row(noon.Add(time.Duration(i)*time.Hour), "rosa", 1, gb*1e9))
	}
	want := []string{"11-03 13:15 rosa 50%: notify 52.0 GB", "11-03 21:15 rosa 50%: notify 60.0 GB"}
	if diff := cmp.Diff(want, told(s.Outcomes())); diff != "" {
		t.Error(diff)
	}
}

func TestPreventedInSeveralCurrencies(t *testing.T) {
	ls := compile(t, people("100 GB", func(d *Definition) { d.Thresholds = []string{"100%: stop"} }))
	s := ls.Simulate(noon.Add(-12*time.Hour), noon)
	s.Usage(row(noon.Add(-5*time.Hour), "rosa", 1, 200e9))
	for i, currency := range []string{"USD", "EUR", "USD", ""} {
		u := row(noon.Add(-4*time.Hour), "rosa", 1, int64(i+1)*1e9)
		if u.Currency = currency; currency == "" {
			u.CostBasis, u.Cost = "capacity", 0
		}
		s.Usage(u)
	}
	list := s.Outcomes()
	if len(list) != 1 || list[0].Prevented.Money() != "2.00 EUR + $4.00" || list[0].Prevented.Queries != 4 || list[0].Prevented.Unknown != 1 {
		t.Errorf("%+v", list)
	}
}

func TestPolicy(t *testing.T) {
	f := func(protect []string, want []string, definitions ...Definition) {
		t.Helper()
		ls, err := Compile(definitions, Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: protect})
		if err != nil {
			t.Fatal(err)
		}
		p, needed := ls.Policy("aws")
		var lines []string
		for _, s := range p.Statement {
			for _, r := range s.Resource {
				lines = append(lines, s.Effect+" "+s.Sid+" "+r)
			}
			if len(s.Action) == 0 || !slices.IsSorted(s.Action) {
				t.Errorf("%s: actions %v", s.Sid, s.Action)
			}
		}
		if diff := cmp.Diff(want, lines); diff != "" || needed != (len(want) > 0) {
			t.Errorf("needed %v: %s", needed, diff)
		}
	}
	with := func(mode string, thresholds []string, more func(*Definition)) Definition {
		return people("100 GB", func(d *Definition) { d.Mode, d.Thresholds = mode, thresholds; more(d) })
	}
	none := func(*Definition) {}
	f(nil, nil, with("observe", []string{"100%: stop", "120%: block"}, none))
	f(nil, nil, with("warn", []string{"100%: stop", "120%: block"}, none))
	f(nil, nil, with("enforce", []string{"100%: notify"}, none))
	f(nil, []string{"Allow StopWhatRuns arn:aws:athena:*:*:workgroup/*"}, with("enforce", []string{"100%: stop"}, none))
	f(nil, []string{"Allow StopWhatRuns arn:aws:athena:*:111122223333:workgroup/Ad-Hoc*"}, with("enforce", []string{"100%: stop"}, func(d *Definition) {
		d.Match.Account, d.Match.WorkGroup = []string{"111122223333"}, []string{"Ad-Hoc*"}
	}))
	f(nil, []string{"Allow ChangeWorkGroups arn:aws:athena:*:111122223333:workgroup/*"}, with("enforce", []string{"100%: block"}, func(d *Definition) {
		d.Per, d.Match.Account = "work_group", []string{"111122223333"}
	}))
	f(nil, []string{"Allow ChangeWorkGroups arn:aws:athena:*:*:workgroup/adhoc"}, with("enforce", []string{"80%: cutoff"}, func(d *Definition) {
		d.Per, d.Match.WorkGroup, d.Cutoff = "work_group", []string{"adhoc"}, "10 GB"
	}))
	f([]string{"arn:aws:iam::111122223333:role/Etl-*", "boss@example.com"}, []string{
		"Allow BlockRoles arn:aws:iam::111122223333:role/*/Analyst-*",
		"Allow BlockRoles arn:aws:iam::111122223333:role/Analyst-*",
		"Allow BlockPermissionSets arn:aws:iam::111122223333:policy/athenatrail-block",
		"Allow SeePermissionSets arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*",
		"Deny NeverTheProtected arn:aws:iam::111122223333:role/Etl-*",
	}, with("enforce", []string{"120%: block"}, func(d *Definition) {
		d.Match.Account, d.Match.Role = []string{"111122223333"}, []string{"Analyst-*"}
	}))
}
