package anomaly_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/anomaly"
)

// A week in November 2026 is judged; the lake begins eight weeks before it.
var (
	monday = time.Date(2026, 11, 9, 0, 0, 0, 0, time.UTC)
	since  = monday.AddDate(0, 0, -56)
)

// A story is what happened.
type story []anomaly.Execution

func (s *story) did(person string, at time.Time, dollars float64, tables ...string) {
	cost, bytes := athenatrail.Money(dollars*athenatrail.MoneyScale), int64(dollars/5*(1<<40))
	*s = append(*s, anomaly.Execution{
		ID: fmt.Sprintf("q%03d", len(*s)), AccountID: "111122223333", RegionName: "eu-west-1", Person: person, Team: "sales", RoleName: "analyst", DatabaseName: "shop",
		TablesAccessed: tables, StartedAt: at, DataScannedBytes: &bytes, Cost: &cost, Currency: "USD",
	})
}

// usually spends as much at ten on every working day before the week, and in it.
func (s *story) usually(person string, dollars float64) {
	for at := since.Add(10 * time.Hour); at.Before(monday.AddDate(0, 0, 7)); at = at.AddDate(0, 0, 1) {
		if w := at.Weekday(); w != time.Saturday && w != time.Sunday {
			s.did(person, at, dollars, "awsdatacatalog.shop.orders")
		}
	}
}

func (s story) search(settings anomaly.Settings) *anomaly.Search {
	x := anomaly.NewSearch(settings, monday, monday.AddDate(0, 0, 7), since)
	for i := range s {
		e := &s[i]
		u := anomaly.Usage{Slot: e.StartedAt.Truncate(athenatrail.SlotLength), Person: e.Person, Team: e.Team, RoleName: e.RoleName, AccountID: e.AccountID,
			RegionName: e.RegionName, DatabaseName: e.DatabaseName, Currency: e.Currency, Own: e.Own, Executions: 1, DataScannedBytes: *e.DataScannedBytes, Cost: *e.Cost}
		x.Usage(&u)
		for _, table := range e.TablesAccessed {
			x.Table(&anomaly.TableUsage{TableName: table, Written: slices.Contains(e.TablesWritten, table), Usage: u})
		}
	}
	x.Standout()
	for i := range s {
		x.Execution(&s[i])
	}
	return x
}

// told returns the sentences.
func (s story) told(settings anomaly.Settings) (texts []string) {
	for _, a := range s.search(settings).Anomalies() {
		texts = append(texts, a.Text)
	}
	return texts
}

func (s story) want(t *testing.T, settings anomaly.Settings, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.told(settings)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestToldOnce(t *testing.T) {
	var s story
	s.usually("rosa", 0.2)
	s.usually("milo", 0.3)
	thursday := monday.AddDate(0, 0, 3)
	s.did("rosa", thursday.Add(18*time.Hour+10*time.Minute), 20, "awsdatacatalog.shop.clicks")
	s.did("rosa", thursday.Add(18*time.Hour+40*time.Minute), 10.6, "awsdatacatalog.shop.clicks")
	list := s.search(anomaly.Default()).Anomalies()
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	a := list[0]
	n := len(s)
	cents := athenatrail.Money(athenatrail.MoneyScale / 100)
	want := anomaly.Anomaly{
		Subject: anomaly.Subject{Kind: anomaly.Person, Name: "rosa", Currency: "USD"}, Scale: anomaly.Hours, Severity: anomaly.Medium,
		From: thursday.Add(18 * time.Hour), To: thursday.Add(19 * time.Hour), Cost: 3060 * cents, Usual: 0, Most: 20 * cents, Excess: 3060 * cents,
		Bytes: a.Bytes, Executions: 2, LookedBack: 28, Score: a.Score,
		Also: []anomaly.Subject{
			{Kind: anomaly.Role, Name: "analyst", Account: "111122223333", Currency: "USD"},
			{Kind: anomaly.Table, Name: "awsdatacatalog.shop.clicks", Account: "111122223333", Region: "eu-west-1", Currency: "USD"},
			{Kind: anomaly.Team, Name: "sales", Currency: "USD"},
		},
		Evidence: []string{fmt.Sprintf("q%03d", n-2), fmt.Sprintf("q%03d", n-1)},
		Text:     "rosa scanned 6.12 TiB on Thursday 12 November between 18:00 and 19:00, $30.60; usually nothing at that hour, at most $0.20 in an hour of the 4 weeks before",
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHabits(t *testing.T) {
	at := func(days, hour int) time.Time { return monday.AddDate(0, 0, days).Add(time.Duration(hour) * time.Hour) }
	none := []string(nil)
	for name, c := range map[string]struct {
		tell     func(*story)
		settings func(*anomaly.Settings)
		want     []string // what the sentences begin with
	}{
		"cents": {func(s *story) { s.did("rosa", at(3, 3), 4.9) }, nil, none},
		"a job of every Tuesday": {func(s *story) {
			for week := range 6 {
				s.did("rosa", at(1-7*week, 22), 30)
			}
		}, nil, none},
		"the job at another hour": {func(s *story) {
			for week := 1; week < 6; week++ {
				s.did("rosa", at(1-7*week, 22), 30)
			}
			s.did("rosa", at(1, 5), 30)
		}, nil, []string{"rosa scanned 6.00 TiB on Tuesday 10 November between 05:00 and 06:00"}},
		"five times the job": {func(s *story) {
			for week := 1; week < 6; week++ {
				s.did("rosa", at(1-7*week, 22), 30)
			}
			s.did("rosa", at(1, 22), 150)
		}, nil, []string{"rosa scanned"}},
		"a team, none of whom is far off": {func(s *story) {
			for i := range 6 {
				s.did(fmt.Sprintf("person %d", i), at(-40, 9), 0.1)
				s.did(fmt.Sprintf("person %d", i), at(2, 9+i), 4)
			}
		}, nil, []string{"role analyst scanned"}},
		"a table, of many": {func(s *story) {
			for i := range 6 {
				s.did(fmt.Sprintf("person %d", i), at(-40, 9), 0.1)
				s.did(fmt.Sprintf("person %d", i), at(2, 9+i), 4, "awsdatacatalog.shop.archive")
				(*s)[len(*s)-1].RoleName, (*s)[len(*s)-1].Team = "", ""
			}
		}, nil, []string{"table awsdatacatalog.shop.archive was read: "}},
		"ten times as much all week": {func(s *story) {
			for d := range 5 {
				for hour := 9; hour < 17; hour++ {
					s.did("rosa", at(d, hour), 0.6)
				}
			}
		}, nil, []string{"rosa scanned 5.30 TiB in the 7 days from 7 November to 13 November, $26.50;"}},
		"two dear days in the week before": {func(s *story) {
			s.did("rosa", at(-4, 3), 30)
			s.did("rosa", at(-3, 14), 50)
			for _, day := range []int{-6, -5, 0} {
				s.did("rosa", at(day, 11), 0.4)
			}
		}, nil, none}, // each was told when it was; together they are no week
		"somebody new":           {func(s *story) { s.did("ada", at(1, 9), 8) }, nil, []string{"new: ada, scanned"}},
		"somebody new and cheap": {func(s *story) { s.did("ada", at(1, 9), 0.4) }, nil, none},
		"a new database": {func(s *story) {
			s.did("rosa", at(1, 10), 9)
			(*s)[len(*s)-1].DatabaseName = "vendor"
		}, nil, []string{"new: database vendor was queried: "}},
		"ignored": {func(s *story) { s.did("rosa", at(3, 3), 40) }, func(s *anomaly.Settings) { s.Ignore.Person = []string{"ROS*"} }, none},
		"our own": {func(s *story) {
			s.did("rosa", at(3, 3), 40)
			(*s)[len(*s)-1].Own = true
		}, nil, none},
		"a holiday": {func(s *story) {
			for week := range 6 {
				for _, d := range []int{5, 6} {
					s.did("rosa", at(d-7-7*week, 3), 12)
				}
			}
			s.did("rosa", at(2, 3), 12)
		}, func(s *anomaly.Settings) { s.Holidays = []athenatrail.Date{athenatrail.DateOf(at(2, 0))} }, none},
		"three times at its hour": {func(s *story) {
			s.usually("nils", 3)
			s.did("nils", at(3, 10), 8)
		}, nil, []string{"nils scanned"}},
		"three times, less sensitive": {func(s *story) {
			s.usually("nils", 3)
			s.did("nils", at(3, 10), 8)
		}, func(s *anomaly.Settings) { s.Sensitivity = anomaly.Low }, none},
		"a higher floor": {func(s *story) { s.did("rosa", at(3, 3), 40) }, func(s *anomaly.Settings) { s.Floor = 41 * athenatrail.MoneyScale }, none},
		"another currency": {func(s *story) {
			s.did("rosa", at(3, 3), 4)
			s.did("rosa", at(3, 3), 4)
			(*s)[len(*s)-1].Currency = "EUR"
		}, nil, none}, // they are never added up
	} {
		t.Run(name, func(t *testing.T) {
			var s story
			s.usually("rosa", 0.5)
			s.usually("milo", 0.5)
			c.tell(&s)
			settings := anomaly.Default()
			if c.settings != nil {
				c.settings(&settings)
			}
			got := s.told(settings)
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

// TestTurnOfTheMonth: what the books cost at the end of each month is no
// surprise, although four weeks before do not show it.
func TestTurnOfTheMonth(t *testing.T) {
	from, lake := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for before, want := range map[time.Time]int{time.Date(2026, 9, 30, 23, 0, 0, 0, time.UTC): 0, time.Date(2026, 9, 20, 23, 0, 0, 0, time.UTC): 1} {
		x := anomaly.NewSearch(anomaly.Default(), from, from.AddDate(0, 0, 5), lake)
		for _, at := range []time.Time{lake, before, time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC)} {
			cost := athenatrail.Money(40 * athenatrail.MoneyScale)
			if at.Equal(lake) {
				cost = 1
			}
			if !slices.ContainsFunc(x.Needs(), func(d anomaly.Days) bool { return athenatrail.DateOf(at) >= d.From && athenatrail.DateOf(at) < d.To }) && want == 0 && at != lake {
				t.Errorf("%s is not asked for", at)
			}
			x.Usage(&anomaly.Usage{Slot: at, Person: "closing", Executions: 1, Cost: cost, Currency: "USD"})
		}
		if got := x.Anomalies(); len(got) != want {
			t.Errorf("with a closing on %s: %d told, want %d: %+v", before, len(got), want, got)
		}
	}
}

// TestOrderOfRows: the same rows in any order are the same anomalies.
func TestOrderOfRows(t *testing.T) {
	var s story
	s.usually("rosa", 0.5)
	s.usually("milo", 0.7)
	for i := range 20 {
		s.did([]string{"rosa", "milo", "ada"}[i%3], monday.Add(time.Duration(i*7)*time.Hour), float64(i), "awsdatacatalog.shop.clicks", "awsdatacatalog.shop.orders")
	}
	want := s.search(anomaly.Default()).Anomalies()
	if len(want) < 3 {
		t.Fatalf("%d told", len(want))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
		if diff := cmp.Diff(want, s.search(anomaly.Default()).Anomalies()); diff != "" {
			t.Fatalf("another order tells otherwise (-want +got):\n%s", diff)
		}
	}
}

// TestHoursOfAZone: an hour is one of the zone's, also where clocks are put
// back, and half an hour off.
func TestHoursOfAZone(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	settings := anomaly.Default()
	settings.Zone = zone
	var s story
	s.usually("rosa", 0.5)
	s.did("rosa", monday.AddDate(0, 0, 2).Add(20*time.Hour+45*time.Minute), 30)
	s.want(t, settings, "rosa scanned 6.00 TiB on Thursday 12 November between 02:00 and 03:00, $30.00; usually nothing at that hour, at most $0.50 in an hour of the 4 weeks before")
}

func TestYoungLake(t *testing.T) {
	for days, want := range map[int]time.Time{5: {}, 10: monday.AddDate(0, 0, 4), 14: monday, 30: monday} {
		x := anomaly.NewSearch(anomaly.Default(), monday, monday.AddDate(0, 0, 7), monday.AddDate(0, 0, -days))
		if got := x.JudgedFrom(); !got.Equal(want) {
			t.Errorf("a lake of %d days is judged from %s, want %s", days, got, want)
		}
	}
	if got := anomaly.NewSearch(anomaly.Default(), monday, monday.AddDate(0, 0, 7), time.Time{}); !got.JudgedFrom().IsZero() || len(got.Anomalies()) != 0 {
		t.Error("an empty lake is judged")
	}
}

// TestHostileNames bounds what a sentence shows of a name.
func TestHostileNames(t *testing.T) {
	var s story
	s.usually("rosa", 0.5)
	s.did(strings.Repeat("é", 4000), monday.Add(30*time.Hour), 60)
	got := s.told(anomaly.Default())
	if len(got) != 1 || len(got[0]) > 500 {
		t.Errorf("told %d characters: %q", len(strings.Join(got, "")), got)
	}
}
