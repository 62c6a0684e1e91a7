package completeness

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	other   = "us-east-1"
)

// A world is a trail, the Athena that it is of, and a lake made of both.
type world struct {
	now    time.Time
	day    time.Time // midnight, three days before now
	known  map[string]athenaapitest.Execution
	groups map[string][]string // ids, the newest first
	server *athenaapitest.Server
	lake   *lake.Lake
}

func id(n int) string { return fmt.Sprintf("11111111-2222-4333-8444-%012d", n) }

// newWorld runs 300 statements in two work groups over two days. The trail
// knows all but every 50th; deny refuses calls.
func newWorld(t *testing.T, deny func(athenaapitest.Call) bool) *world {
	t.Helper()
	now := time.Now().UTC()
	w := &world{now: now, day: now.AddDate(0, 0, -3).Truncate(day), known: map[string]athenaapitest.Execution{}, groups: map[string][]string{}}
	var records []string
	for n := range 300 {
		at := w.day.Add(time.Duration(n) * 9 * time.Minute).Add(30 * time.Second)
		group := []string{"primary", "etl"}[n%2]
		e := athenaapitest.Execution{
			ID: id(n), Query: "SELECT 1", StatementType: "DML", WorkGroup: group,
			Status:     athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: at}, CompletedAt: athenaapitest.Epoch{Time: at.Add(time.Second)}},
			Statistics: &athenaapitest.Statistics{DataScannedBytes: aws.Int64(1000)},
		}
		if n == 7 {
			e.Status.State, e.Status.CompletedAt = "RUNNING", athenaapitest.Epoch{}
		}
		w.known[e.ID] = e
		w.groups[group] = append(w.groups[group], e.ID)
		if n%50 != 49 {
			records = append(records, record(fmt.Sprint("e-", n), at, group, `{"queryExecutionId":"`+e.ID+`"}`, ""))
		}
		if n == 9 { // the same call again, under the same id
			records = append(records, record("again", at.Add(time.Second), group, `{"queryExecutionId":"`+e.ID+`"}`, ""))
		}
	}
	records = append(records, record("failed", w.day.Add(time.Hour), "etl", "null", `"errorCode":"InvalidRequestException",`))
	// One that Athena knows and does not list: its work group is gone.
	gone := w.known[id(11)]
	w.groups["etl"] = slices.DeleteFunc(w.groups["etl"], func(s string) bool { return s == gone.ID })
	for _, ids := range w.groups {
		slices.Reverse(ids)
	}
	var err error
	w.server, err = athenaapitest.Start(athenaapitest.Config{
		Lookup: func(a, r, id string) (athenaapitest.Execution, bool) {
			e, ok := w.known[id]
			return e, ok && a == account && r == region
		},
		List: func(_, r, group string) []string {
			if r != region {
				return nil
			}
			return w.groups[group]
		},
		WorkGroups: func(string, string) []athenaapitest.WorkGroup {
			return []athenaapitest.WorkGroup{{Name: "primary"}, {Name: "etl"}}
		},
		Keys: []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}},
		Deny: deny,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.server.Close() })
	w.collect(t, records)
	return w
}

func record(event string, at time.Time, group, response, more string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::%[1]s:user/rosa","accountId":%[1]q,"userName":"rosa"},"eventTime":%[2]q,"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":%[3]q,%[4]s"requestParameters":{"workGroup":%[5]q},"responseElements":%[6]s,"eventID":%[7]q,"recipientAccountId":%[1]q}`,
		account, at.Format(time.RFC3339), region, more, group, response, event)
}

// collect makes the lake of log files, one an hour.
func (w *world) collect(t *testing.T, records []string) {
	t.Helper()
	trail := t.TempDir()
	write := func(at time.Time, body string) {
		name := filepath.Join(trail, fmt.Sprintf("%s_CloudTrail_%s_%s_AbCdEfGhIjKlMnOp.json", account, region, at.Format("20060102T1504Z")))
		if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(w.day.Add(time.Hour), `{"Records":[`+strings.Join(records, ",")+`]}`)
	for h := 2; h < 60; h++ {
		if h != 20 && h != 21 && h != 30 {
			write(w.day.Add(time.Duration(h)*time.Hour), `{"Records":[]}`)
		}
	}
	src, err := source.Parse(t.Context(), trail, source.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := lake.OpenStore(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	if w.lake, err = lake.Create(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = collect.Run(t.Context(), collect.Options{
		Lake: w.lake, Ledger: ledger.New(w.lake), Sources: []source.Source{src}, Settings: &derive.Settings{Identity: people, Prices: prices},
		Details: w, Limits: cloudtrail.Limits{Record: 1 << 20, File: 1 << 24}, Jobs: 2, Now: w.now, RunID: "run-1",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) client(region string) *athenaapi.Client {
	return athenaapi.New(aws.Config{
		Region: region, BaseEndpoint: &w.server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATESTKEY01EXAMPLE", "secret", ""),
	}, account, athenaapi.NewPacers(0))
}

func (w *world) Of(_ context.Context, _, region string) (collect.Asker, error) {
	return w.client(region), nil
}

func (w *world) check(t *testing.T, change func(*Options)) *Result {
	t.Helper()
	o := Options{
		Lake: w.lake, Ledger: ledger.New(w.lake), From: w.day, To: w.day.Add(60 * time.Hour), Now: w.now,
		Athena: func(_ context.Context, p Place) (Athena, error) { return w.client(p.Region), nil },
	}
	if change != nil {
		change(&o)
	}
	r, err := Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(r *Result, unknown bool) (all []string) {
	for _, m := range r.Missing {
		if m.Unknown == unknown {
			all = append(all, m.ID)
		}
	}
	return all
}

// What the trail lacks is found in Athena's list, by its id and its day; what
// Athena does not list is told apart; and the counts add up.
func TestAgainstAthena(t *testing.T) {
	w := newWorld(t, nil)
	r := w.check(t, func(o *Options) { o.Places = []Place{{account, other}} })
	if got, want := ids(r, true), []string{id(49), id(99), id(149), id(199), id(249), id(299)}; !slices.Equal(got, want) {
		t.Errorf("unknown to the trail are %q, want %q", got, want)
	}
	if got, want := ids(r, false), []string{id(11)}; !slices.Equal(got, want) {
		t.Errorf("not listed are %q, want %q", got, want)
	}
	type row struct{ Starts, Rows, Details, Lost, Unknown, Unlisted, NotStarted, Pending, Ran int64 }
	var got []row
	for _, d := range r.Days {
		if !d.Asked {
			t.Errorf("%s was not asked", d.Partition)
		}
		got = append(got, row{d.Starts, d.Rows, d.Details, d.Lost, d.Unknown, d.Unlisted, d.Gaps[athenatrail.GapNotStarted], d.Gaps[athenatrail.GapPending], d.Ran()})
	}
	// 160 statements on the first day, of which the trail lacks 3.
	want := []row{{158, 158, 156, 0, 3, 1, 1, 1, 160}, {137, 137, 137, 0, 3, 0, 0, 0, 140}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
	if whole, ran := r.Whole(); whole != 293 || ran != 300 {
		t.Errorf("%d of %d, want 293 of 300", whole, ran)
	}
	if len(r.Unasked) > 0 {
		t.Errorf("unasked: %v", r.Unasked)
	}
}

// A row that the table lacks is found by the event.
func TestLostRow(t *testing.T) {
	w := newWorld(t, nil)
	for file, err := range lake.Partitions(t.Context(), w.lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if file.Date != athenatrail.DateOf(w.day) {
			continue
		}
		if err := w.lake.Delete(t.Context(), file.Key); err != nil {
			t.Fatal(err)
		}
	}
	r := w.check(t, nil)
	if d := r.Days[0]; d.Starts != 158 || d.Rows != 0 || d.Lost != 158 {
		t.Errorf("got %+v", d)
	}
	if r.Coverage() > 50 {
		t.Errorf("covered are %v %%", r.Coverage())
	}
}

// What is started after the window is not missed, nor is what was before it.
func TestWindow(t *testing.T) {
	w := newWorld(t, nil)
	r := w.check(t, func(o *Options) { o.To = w.day.Add(20 * time.Hour) })
	if got, want := ids(r, true), []string{id(49), id(99)}; !slices.Equal(got, want) {
		t.Errorf("unknown are %q, want %q", got, want)
	}
	r = w.check(t, func(o *Options) { o.From = w.day.Add(day) })
	if got, want := ids(r, true), []string{id(199), id(249), id(299)}; !slices.Equal(got, want) {
		t.Errorf("unknown are %q, want %q", got, want)
	}
}

// An Athena that may not be asked proves nothing, and is named.
func TestDenied(t *testing.T) {
	w := newWorld(t, func(c athenaapitest.Call) bool { return c.Operation == "ListQueryExecutions" && c.WorkGroup == "etl" })
	r := w.check(t, nil)
	if len(r.Unasked) != 1 || !strings.Contains(r.Unasked[0].Err.Error(), `work group "etl"`) {
		t.Errorf("unasked: %v", r.Unasked)
	}
	for _, d := range r.Days {
		if d.Asked || d.Unlisted > 0 {
			t.Errorf("%+v: half a list says nothing of what is not in it", d)
		}
	}
	if slices.Contains(ids(r, true), id(49)) || len(ids(r, true)) > 0 {
		t.Errorf("unknown are %q: all of them ran in etl", ids(r, true))
	}
}

// What the lake was told to forget is not missed.
func TestForgotten(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.lake.ForgetBefore(t.Context(), athenatrail.DateOf(w.day)+1); err != nil {
		t.Fatal(err)
	}
	r := w.check(t, nil)
	if r.Forgotten != 3 || len(ids(r, true)) != 3 {
		t.Errorf("forgotten are %d, missed %q", r.Forgotten, ids(r, true))
	}
}

func TestHoles(t *testing.T) {
	w := newWorld(t, nil)
	r := w.check(t, func(o *Options) { o.Athena = nil; o.To = w.day.Add(70 * time.Hour) })
	var got []string
	for _, h := range r.Holes {
		got = append(got, fmt.Sprint(h.From.Sub(w.day).Hours(), " ", h.To.Sub(w.day).Hours(), " ", h.Silent))
	}
	if want := []string{"20 22 false", "30 31 false", "60 70 true"}; !slices.Equal(got, want) {
		t.Errorf("holes %q, want %q", got, want)
	}
	f := func(name string, hours []int64, end int64, want int) {
		t.Helper()
		if got := holesOf(Place{}, hours, end); len(got) != want {
			t.Errorf("%s: %v, want %d", name, got, want)
		}
	}
	f("all hours", []int64{1, 2, 3, 4, 5, 6, 7}, 8, 0)
	f("too few to tell", []int64{1, 9}, 100, 0)
	f("every fourth hour", []int64{0, 4, 8, 12, 16, 20, 24}, 28, 0)
	f("every fourth hour, and a long pause", []int64{0, 4, 8, 12, 32, 36, 40}, 41, 1)
	f("a quiet night at the end", []int64{0, 1, 2, 3, 4, 5}, 9, 0)
}

// Nothing that is found depends on the order in which it was read.
func TestMissingAreInOrder(t *testing.T) {
	r := newWorld(t, nil).check(t, nil)
	if !slices.IsSortedFunc(r.Missing, func(a, b Missing) int {
		return bytes.Compare([]byte(a.At.Format(time.RFC3339)), []byte(b.At.Format(time.RFC3339)))
	}) {
		t.Errorf("%v", r.Missing)
	}
}

// A window that begins later than Athena's history ends the listing: it does
// not go on through 45 days.
func TestListingEndsWithTheWindow(t *testing.T) {
	w := newWorld(t, nil)
	c := &check{
		Options: Options{Lake: w.lake, From: w.day, To: w.day.Add(day), Now: w.now}, days: map[athenatrail.Partition]*Day{},
		seed: maphash.MakeSeed(), rows: map[uint64]bool{}, started: map[uint64]athenatrail.Date{},
	}
	c.asked = map[Place]bool{}
	pages := 0
	asker := listing{client: w.client(region), pages: func(yield func([]string, error) bool) {
		for n := range 100 {
			pages++
			id := fmt.Sprint("page-", n)
			c.started[c.hash("", id)] = athenatrail.DateOf(w.day) - athenatrail.Date(n)
			if !yield([]string{id}, nil) {
				return
			}
		}
	}}
	if err := c.place(t.Context(), Place{account, region}, asker, nil); err != nil {
		t.Fatal(err)
	}
	if pages != 4 { // today, yesterday, and the two before
		t.Errorf("%d pages were read, want 4", pages)
	}
}

type listing struct {
	client *athenaapi.Client
	pages  iter.Seq2[[]string, error]
}

func (l listing) WorkGroups(context.Context) ([]string, error)                  { return []string{"primary"}, nil }
func (l listing) Executions(context.Context, string) iter.Seq2[[]string, error] { return l.pages }
func (l listing) Details(ctx context.Context, now time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return l.client.Details(ctx, now, wanted)
}
