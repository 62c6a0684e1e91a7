package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

var (
	noon = time.Date(2024, 5, 13, 12, 0, 0, 0, time.UTC)
	home = athenatrail.NewPartition(noon, "111122223333", "eu-west-1")
)

const eventsKey = "facts/events/dt=2024-05-13/111122223333_eu-west-1.parquet"

func newLake(t testing.TB) *lake.Lake {
	t.Helper()
	return createLake(t, openDir(t, t.TempDir()))
}

func createLake(t testing.TB, store lake.Store) *lake.Lake {
	t.Helper()
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// few draws strings that are often the same, often as long, and often absent.
func few(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{"", "a", "b", "aa", "ab", "é"}).Draw(t, name)
}

func moment(t *rapid.T, name string) time.Time {
	return home.Date.Time().Add(time.Duration(rapid.IntRange(0, 3).Draw(t, name)) * time.Millisecond)
}

var rowsOf = struct {
	event      func(*rapid.T) athenatrail.Event
	session    func(*rapid.T) athenatrail.SessionEvent
	detail     func(*rapid.T) athenatrail.Detail
	text       func(*rapid.T) athenatrail.QueryText
	role       func(*rapid.T) athenatrail.RoleSession
	dataAccess func(*rapid.T) athenatrail.DataAccess
	reference  func(*rapid.T) athenatrail.Reference
}{
	event: func(t *rapid.T) athenatrail.Event {
		return athenatrail.Event{
			Home: home, ID: few(t, "id"), QueryExecutionID: few(t, "query"), Time: moment(t, "time"), Name: few(t, "name"),
			SessionID: few(t, "session"), AccessKeyHash: few(t, "key"), SharedEventID: few(t, "shared"), TextHash: few(t, "text"),
			Updated: rapid.Bool().Draw(t, "updated"), Record: few(t, "record"),
		}
	},
	session: func(t *rapid.T) athenatrail.SessionEvent {
		return athenatrail.SessionEvent{
			Home: home, ID: few(t, "id"), SessionID: few(t, "session"), Time: moment(t, "time"), Name: few(t, "name"),
			Updated: rapid.Bool().Draw(t, "updated"), Record: few(t, "record"),
		}
	},
	detail: func(t *rapid.T) athenatrail.Detail {
		d := athenatrail.Detail{
			Home: home, Kind: few(t, "kind"), ID: few(t, "id"), Message: few(t, "message"), State: few(t, "state"),
			Outcome: rapid.SampledFrom([]string{"answered", "too_old", "not_found", "unprocessed", "denied", "no_role", "later", ""}).Draw(t, "outcome"),
			Final:   rapid.Bool().Draw(t, "final"), TextHash: few(t, "text"), Answer: few(t, "answer"),
		}
		if rapid.Bool().Draw(t, "submitted") {
			d.SubmittedAt = moment(t, "time")
		}
		return d
	},
	text: func(t *rapid.T) athenatrail.QueryText {
		q := athenatrail.QueryText{
			Home: home, TextHash: few(t, "hash"), QueryString: few(t, "sql"), Fingerprint: few(t, "fingerprint"), Comment: few(t, "comment"),
		}
		if rapid.Bool().Draw(t, "tables") {
			q.Tables = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", ""}), 0, 2).Draw(t, "list")
		}
		if rapid.Bool().Draw(t, "hasProbe") {
			probe := rapid.Bool().Draw(t, "probe")
			q.Probe = &probe
		}
		return q
	},
	role: func(t *rapid.T) athenatrail.RoleSession {
		r := athenatrail.RoleSession{
			Home: home, AccessKeyHash: few(t, "key"), EventID: few(t, "event"), EventName: few(t, "name"), Issued: moment(t, "issued"),
			RoleARN: few(t, "role"), RoleSessionName: few(t, "session"), SourceIdentity: few(t, "source"), CallerKeyHash: few(t, "callerKey"),
			Caller: few(t, "caller"), SourceIP: few(t, "ip"), UserAgent: few(t, "agent"),
		}
		if rapid.Bool().Draw(t, "expires") {
			r.Expires = moment(t, "expiry")
		}
		return r
	},
	dataAccess: func(t *rapid.T) athenatrail.DataAccess {
		return athenatrail.DataAccess{
			Home: home, QueryExecutionID: few(t, "query"), Table: few(t, "table"), EventID: few(t, "event"), Time: moment(t, "time"),
			Principal: few(t, "principal"), Permissions: few(t, "permissions"),
		}
	},
	reference: func(t *rapid.T) athenatrail.Reference {
		return athenatrail.Reference{Home: home, Kind: few(t, "kind"), ID: few(t, "id"), Answer: few(t, "answer")}
	},
}

// TestMergeIsAFunctionOfTheRows merges the same rows in two random orders,
// repeats and splits: the bytes are the same, and a further merge of any of
// them touches nothing. That is commutativity, associativity and idempotence
// in one.
func TestMergeIsAFunctionOfTheRows(t *testing.T) {
	t.Run("events", func(t *testing.T) { mergeProperty(t, lake.Events, rowsOf.event) })
	t.Run("session_events", func(t *testing.T) { mergeProperty(t, lake.SessionEvents, rowsOf.session) })
	t.Run("details", func(t *testing.T) { mergeProperty(t, lake.Details, rowsOf.detail) })
	t.Run("query_texts", func(t *testing.T) { mergeProperty(t, lake.QueryTexts, rowsOf.text) })
	t.Run("role_sessions", func(t *testing.T) { mergeProperty(t, lake.RoleSessions, rowsOf.role) })
	t.Run("data_access", func(t *testing.T) { mergeProperty(t, lake.DataAccess, rowsOf.dataAccess) })
	t.Run("reference", func(t *testing.T) { mergeProperty(t, lake.References, rowsOf.reference) })
}

func mergeProperty[T any](t *testing.T, f *lake.Fact[T], row func(*rapid.T) T) {
	key := "facts/" + f.Name() + "/dt=2024-05-13/111122223333_eu-west-1.parquet"
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(row), 1, 12).Draw(rt, "rows")
		merged := func(name string) (*lake.Lake, []byte) {
			l := createLake(t, newMemory())
			repeats := rapid.SliceOfN(rapid.SampledFrom(rows), 0, 6).Draw(rt, name+" repeats")
			left := rapid.Permutation(slices.Concat(rows, repeats)).Draw(rt, name)
			for len(left) > 0 {
				n := rapid.IntRange(1, len(left)).Draw(rt, "split")
				if _, err := lake.Merge(t.Context(), l, f, home, left[:n]); err != nil {
					rt.Fatal(err)
				}
				left = left[n:]
			}
			data, err := l.Read(t.Context(), key)
			if err != nil {
				rt.Fatal(err)
			}
			return l, data
		}
		l, first := merged("first")
		_, second := merged("second")
		if !bytes.Equal(first, second) {
			a, b := slices.Collect(values(rowfile.Rows[T](first))), slices.Collect(values(rowfile.Rows[T](second)))
			rt.Fatalf("other bytes of the same rows: %s", cmp.Diff(a, b))
		}
		if changed, err := lake.Merge(t.Context(), l, f, home, rows); changed != 0 || err != nil {
			rt.Fatalf("merging all again changed %d, %v", changed, err)
		}
		if again, err := l.Read(t.Context(), key); err != nil || !bytes.Equal(first, again) {
			rt.Fatal("merging all again changed the file")
		}
		for problem := range lake.Verify(t.Context(), l, "") {
			rt.Fatal(problem)
		}
	})
}

func values[T any](rows func(func(T, error) bool)) func(func(T) bool) {
	return func(yield func(T) bool) {
		for row := range rows {
			if !yield(row) {
				return
			}
		}
	}
}

// TestEveryFieldDecides merges, for every column, two rows that differ in that
// one alone, both ways round: which one stays may not depend on the order.
func TestEveryFieldDecides(t *testing.T) {
	everyFieldDecides(t, lake.Events, athenatrail.Event{Time: noon})
	everyFieldDecides(t, lake.SessionEvents, athenatrail.SessionEvent{Time: noon})
	everyFieldDecides(t, lake.Details, athenatrail.Detail{})
	everyFieldDecides(t, lake.QueryTexts, athenatrail.QueryText{})
	everyFieldDecides(t, lake.RoleSessions, athenatrail.RoleSession{Issued: noon})
	everyFieldDecides(t, lake.DataAccess, athenatrail.DataAccess{Time: noon})
	everyFieldDecides(t, lake.References, athenatrail.Reference{})
	everyFieldDecides(t, lake.LimitActions, athenatrail.LimitAction{Time: noon, WindowStart: noon})
}

func everyFieldDecides[T any](t *testing.T, f *lake.Fact[T], row T) {
	t.Helper()
	setHome(&row, home)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if field.Name == "Home" {
			continue
		}
		other := row
		switch x := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index).Addr().Interface().(type) {
		case *string:
			*x = "x"
		case *bool:
			*x = true
		case **bool:
			*x = new(bool)
		case *[]string:
			*x = []string{}
		case *int32:
			*x = 1
		case *float64:
			*x = 0.5
		case *time.Time:
			*x = noon.Add(time.Millisecond)
		default:
			t.Fatalf("%s: no other value for a %T", field.Name, x)
		}
		var files [][]byte
		for _, rows := range [][]T{{row, other}, {other, row}} {
			l := createLake(t, newMemory())
			for i := range rows {
				if _, err := lake.Merge(t.Context(), l, f, home, rows[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			data, err := l.Read(t.Context(), "facts/"+f.Name()+"/dt=2024-05-13/111122223333_eu-west-1.parquet")
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, data)
		}
		if !bytes.Equal(files[0], files[1]) {
			t.Errorf("%s: of two rows that differ in %s the one merged first stays", f.Name(), field.Name)
		}
	}
}

// TestBetter states which of two rows stays, both ways round.
func TestBetter(t *testing.T) {
	yes, no := true, false
	stays(t, lake.Events, "an UPDATED_DATA addendum beats a longer record",
		athenatrail.Event{Time: noon, Updated: true, Record: "{}"}, athenatrail.Event{Time: noon, Record: `{"a":1}`})
	stays(t, lake.Events, "the longer record", athenatrail.Event{Time: noon, Record: "aaa"}, athenatrail.Event{Time: noon, Record: "zz"})
	stays(t, lake.Events, "the greater bytes", athenatrail.Event{Time: noon, Record: "ab"}, athenatrail.Event{Time: noon, Record: "aa"})
	stays(t, lake.SessionEvents, "an UPDATED_DATA addendum beats a longer record",
		athenatrail.SessionEvent{Time: noon, Updated: true, Record: "{}"}, athenatrail.SessionEvent{Time: noon, Record: `{"a":1}`})

	const answered = athenatrail.OutcomeAnswered
	ranks := []athenatrail.Detail{
		{Outcome: "unheard of", Answer: "a very long one"},
		{Outcome: athenatrail.OutcomeNoRole, Message: "a long message"},
		{Outcome: athenatrail.OutcomeDenied},
		{Outcome: athenatrail.OutcomeUnprocessed},
		{Outcome: athenatrail.OutcomeNotFound},
		{Outcome: athenatrail.OutcomeTooOld},
		{Outcome: answered, State: "RUNNING", Answer: "running", TextHash: "of running"},
		{Outcome: answered, State: "RUNNING", Answer: "running longer", TextHash: "of longer"},
		{Outcome: answered, State: "SUCCEEDED", Final: true, Answer: "short", TextHash: "of short"},
	}
	for i := range ranks {
		for j := range i {
			stays(t, lake.Details, fmt.Sprintf("detail %d over %d", i, j), ranks[i], ranks[j])
		}
	}

	stays(t, lake.QueryTexts, "with a text", athenatrail.QueryText{QueryString: "SELECT 1"}, athenatrail.QueryText{Fingerprint: "f", Comment: "c"})
	stays(t, lake.QueryTexts, "with a fingerprint", athenatrail.QueryText{QueryString: "x", Fingerprint: "f"}, athenatrail.QueryText{QueryString: "x"})
	stays(t, lake.QueryTexts, "with no tables over unknown tables", athenatrail.QueryText{Tables: []string{}}, athenatrail.QueryText{})
	stays(t, lake.QueryTexts, "with a probe over unknown", athenatrail.QueryText{Probe: &no}, athenatrail.QueryText{})
	stays(t, lake.QueryTexts, "the greater probe", athenatrail.QueryText{Probe: &yes}, athenatrail.QueryText{Probe: &no})
	stays(t, lake.RoleSessions, "issued first", athenatrail.RoleSession{Issued: noon, EventID: "b"}, athenatrail.RoleSession{Issued: noon.Add(time.Second), EventID: "a"})
	stays(t, lake.RoleSessions, "the smaller event id", athenatrail.RoleSession{Issued: noon, EventID: "a"}, athenatrail.RoleSession{Issued: noon, EventID: "b", Caller: "longer"})
	stays(t, lake.LimitActions, "what came of it beats that it was begun", athenatrail.LimitAction{Time: noon, WindowStart: noon, Outcome: "failed"},
		athenatrail.LimitAction{Time: noon, WindowStart: noon, Outcome: "begun", Message: "longer"})
	stays(t, lake.DataAccess, "the first time", athenatrail.DataAccess{Time: noon}, athenatrail.DataAccess{Time: noon.Add(time.Second), Principal: "p"})
}

// stays checks that of two rows with one key the first stays.
func stays[T any](t *testing.T, f *lake.Fact[T], what string, winner, loser T) {
	t.Helper()
	for _, row := range []*T{&winner, &loser} {
		setHome(row, home)
	}
	for _, rows := range [][]T{{winner, loser}, {loser, winner}} {
		l := createLake(t, newMemory())
		for _, row := range rows {
			if _, err := lake.Merge(t.Context(), l, f, home, []T{row}); err != nil {
				t.Fatal(err)
			}
		}
		var got []T
		for row, err := range lake.Read(t.Context(), l, f, home) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, *row)
		}
		if diff := cmp.Diff([]T{winner}, got); diff != "" {
			t.Errorf("%s %s: %s", f.Name(), what, diff)
		}
	}
}

func setHome(row any, p athenatrail.Partition) {
	reflect.ValueOf(row).Elem().FieldByName("Home").Set(reflect.ValueOf(p))
}

func TestMerge(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		l := createLake(t, open())
		event := func(id, record string) athenatrail.Event {
			return athenatrail.Event{Home: home, ID: id, Time: noon, Name: "StartQueryExecution", Record: record}
		}
		merge := func(want int, rows ...athenatrail.Event) {
			t.Helper()
			given := slices.Clone(rows)
			if changed, err := lake.Merge(t.Context(), l, lake.Events, home, rows); changed != want || err != nil {
				t.Errorf("Merge = %d, %v, want %d", changed, err, want)
			}
			if diff := cmp.Diff(given, rows); diff != "" {
				t.Errorf("Merge changed its argument: %s", diff)
			}
		}
		merge(0)
		merge(2, event("b", "1"), event("a", "1"), event("b", "1"))
		before := files(t, l)
		merge(0, event("b", "1"))
		if diff := cmp.Diff(before, files(t, l)); diff != "" {
			t.Errorf("nothing new, and written all the same: %s", diff)
		}
		merge(2, event("c", "1"), event("a", "12"), event("b", ""))
		merge(0, event("c", ""), event("c", ""))

		// What is not UTF-8, which engines refuse a file for, is replaced before
		// rows are compared.
		merge(1, event("d\xff", "\xfe"))
		merge(0, event("d\xff", "\xfd"), event("d\uFFFD", "\uFFFD"))

		// Another process sees the same.
		other := createLake(t, open())
		var ids []string
		for row, err := range lake.Read(t.Context(), other, lake.Events, home) {
			if err != nil {
				t.Fatal(err)
			}
			if row.Home != home {
				t.Errorf("Home is %v", row.Home)
			}
			ids = append(ids, row.ID+row.Record)
		}
		if diff := cmp.Diff([]string{"a12", "b1", "c1", "d\uFFFD\uFFFD"}, ids); diff != "" {
			t.Error(diff)
		}
		type narrow struct {
			ID   string    `parquet:"event_id"`
			Time time.Time `parquet:"event_time,timestamp(millisecond:local)"`
		}
		var got []narrow
		for row, err := range lake.ReadAs[narrow](t.Context(), other, lake.Events, home) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, *row)
		}
		if diff := cmp.Diff([]narrow{{"a", noon}, {"b", noon}, {"c", noon}, {"d\uFFFD", noon}}, got); diff != "" {
			t.Error(diff)
		}
		for range lake.Read(t.Context(), other, lake.Events, home.On(home.Date+1)) {
			t.Error("a day without facts has one")
		}
	})
}

// TestMergeLarge merges rows of several pages and row groups, among them some
// long ones, at once and in parts.
func TestMergeLarge(t *testing.T) {
	rows := make([]athenatrail.Event, 40_000)
	for i := range rows {
		rows[i] = athenatrail.Event{Home: home, ID: fmt.Sprintf("%08x", uint32(i)*2654435761), Time: noon, Record: fmt.Sprintf(`{"n":%d}`, i)}
		if i%1000 == 0 {
			rows[i].Record = strings.Repeat(rows[i].Record, 20_000)
		}
	}
	merged := func(parts ...[]athenatrail.Event) []byte {
		l, total := createLake(t, newMemory()), 0
		for _, part := range parts {
			n, err := lake.Merge(t.Context(), l, lake.Events, home, part)
			if err != nil {
				t.Fatal(err)
			}
			total += n
		}
		data, err := l.Read(t.Context(), eventsKey)
		if err != nil || total != len(rows) {
			t.Fatalf("%d rows, %v", total, err)
		}
		return data
	}
	whole := merged(rows)
	if !bytes.Equal(whole, merged(rows[30_000:], rows[:100], rows[50:35_000])) {
		t.Error("other bytes of the same rows in parts")
	}
	if n, err := rowfile.Check(whole); n != int64(len(rows)) || err != nil {
		t.Error(n, err)
	}
}

// TestMergeConcurrently merges rows from several stores at once.
func TestMergeConcurrently(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		done := make(chan error)
		const writers, each = 4, 6
		for w := range writers {
			l := createLake(t, open())
			go func() {
				for i := range each {
					row := athenatrail.Event{Home: home, ID: fmt.Sprintf("%d", (w*3+i)%12), Time: noon, Record: "{}"}
					if _, err := lake.Merge(t.Context(), l, lake.Events, home, []athenatrail.Event{row}); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range writers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		n := 0
		for _, err := range lake.Read(t.Context(), createLake(t, open()), lake.Events, home) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 12 {
			t.Errorf("%d rows, want 12", n)
		}
	})
}

func TestMergeRefuses(t *testing.T) {
	l := newLake(t)
	good := athenatrail.Event{Home: home, ID: "a", Time: noon, Record: "{}"}
	elsewhere, late := good, good
	elsewhere.Home.Region = "us-east-1"
	late.Time = noon.Add(24 * time.Hour)
	for _, bad := range []athenatrail.Event{elsewhere, late, {ID: "a", Time: noon}, {ID: "a", Home: home}} {
		if _, err := lake.Merge(t.Context(), l, lake.Events, home, []athenatrail.Event{good, bad}); !errors.Is(err, lake.ErrWrongPartition) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, p := range []athenatrail.Partition{
		{Date: home.Date, Account: "..", Region: "eu-west-1"},
		{Date: home.Date, Account: "1/../../2", Region: "eu-west-1"},
		{Date: home.Date, Account: "", Region: ""},
		{Date: athenatrail.DateOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), Account: "1", Region: "2"},
		{Date: -1, Account: "1", Region: "2"},
	} {
		row := good
		row.Home, row.Time = p, p.Date.Time()
		if _, err := lake.Merge(t.Context(), l, lake.Events, p, []athenatrail.Event{row}); err == nil {
			t.Errorf("partition %v was let through", p)
		}
		for _, err := range lake.Read(t.Context(), l, lake.Events, p) {
			if err == nil {
				t.Errorf("partition %v was read", p)
			}
		}
	}
	if keys := keysOf(t, l, ""); len(keys) != 0 {
		t.Errorf("written all the same: %q", keys)
	}
}

func TestMergeDamagedAndNewer(t *testing.T) {
	l := newLake(t)
	row := []athenatrail.Event{{Home: home, ID: "a", Time: noon, Record: "{}"}}
	for _, data := range []string{"", "not a Parquet file", "PAR1aaaaPAR1"} {
		if err := l.Put(t.Context(), eventsKey, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if _, err := lake.Merge(t.Context(), l, lake.Events, home, row); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%q: %v", data, err)
		}
		if got, _ := l.Read(t.Context(), eventsKey); string(got) != data {
			t.Errorf("%q was overwritten", data)
		}
		for _, err := range lake.Read(t.Context(), l, lake.Events, home) {
			if err == nil {
				t.Errorf("%q was read", data)
			}
		}
	}

	type newer struct {
		ID     string    `parquet:"event_id"`
		Time   time.Time `parquet:"event_time,timestamp(millisecond:local)"`
		Colour string    `parquet:"colour"`
	}
	var b bytes.Buffer
	w := new(rowfile.Format[newer]).NewWriter(&b)
	if err := errors.Join(w.Write(&newer{"b", noon, "red"}), w.Close(), l.Put(t.Context(), eventsKey, b.Bytes())); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Merge(t.Context(), l, lake.Events, home, row); !errors.Is(err, lake.ErrNewer) || !strings.Contains(err.Error(), "colour") {
		t.Errorf("a newer file: %v", err)
	}
	for row, err := range lake.Read(t.Context(), l, lake.Events, home) {
		if err != nil || row.ID != "b" || !row.Time.Equal(noon) {
			t.Errorf("reading a newer file: %+v, %v", row, err)
		}
	}
}

func TestMergeCancelled(t *testing.T) {
	l := newLake(t)
	rows := make([]athenatrail.Event, 5000)
	for i := range rows {
		rows[i] = athenatrail.Event{Home: home, ID: fmt.Sprint(i), Time: noon}
	}
	if _, err := lake.Merge(t.Context(), l, lake.Events, home, rows[:10]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lake.Merge(ctx, l, lake.Events, home, rows); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
