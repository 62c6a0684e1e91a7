package rebuild_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

const (
	ours   = "111122223333"
	theirs = "444455556666"
)

func builder(t *testing.T, prices price.Settings) *rebuild.Builder {
	t.Helper()
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return &rebuild.Builder{Lake: l, Settings: settings(t, prices), Jobs: 2}
}

func settings(t *testing.T, prices price.Settings) *derive.Settings {
	t.Helper()
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	table, err := price.NewTable(prices)
	if err != nil {
		t.Fatal(err)
	}
	return &derive.Settings{Identity: people, Prices: table}
}

// store merges the facts of a record and marks its day.
func store(t *testing.T, l *lake.Lake, record string) athenatrail.Partition {
	t.Helper()
	var home athenatrail.Partition
	_, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(strings.NewReader(record), func(f *cloudtrail.Facts) error {
		home = f.Events[0].Home
		_, err := lake.Merge(context.Background(), l, lake.Events, home, f.Events)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Mark(context.Background(), home, "test"); err != nil {
		t.Fatal(err)
	}
	return home
}

func start(eventID, queryID, recipient, caller, shared string, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"rosa","accountId":%q},"eventTime":%q,"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","responseElements":{"queryExecutionId":%q},"eventID":%q,"sharedEventID":%q,"recipientAccountId":%q}`,
		caller, at.Format(time.RFC3339), queryID, eventID, shared, recipient)
}

func executions(t *testing.T, l *lake.Lake, p athenatrail.Partition) (ids []string) {
	t.Helper()
	for q, err := range lake.ReadTable(context.Background(), l, lake.QueryExecutions, p) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, q.QueryExecutionID)
	}
	return ids
}

func marked(t *testing.T, b *rebuild.Builder) {
	t.Helper()
	if _, err := b.Marked(context.Background()); err != nil {
		t.Fatal(err)
	}
	marks, err := b.Lake.Marks(context.Background())
	if err != nil || len(marks) != 0 {
		t.Fatalf("marks are left: %v, %v", marks, err)
	}
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// TestCopiesOfOneCall shows that a call of which two accounts got a record is
// one row, in the caller's account, and that a copy alone is a row too.
func TestCopiesOfOneCall(t *testing.T) {
	b := builder(t, price.Settings{})
	copied := store(t, b.Lake, start("e-2", "q-1", theirs, ours, "shared", noon))
	alone := store(t, b.Lake, start("e-3", "q-2", theirs, ours, "another", noon))
	marked(t, b)
	if got := executions(t, b.Lake, copied); len(got) != 2 || alone != copied {
		t.Errorf("without the caller's copy: %v", got)
	}
	own := store(t, b.Lake, start("e-1", "q-1", ours, ours, "shared", noon))
	near, err := rebuild.Copies(context.Background(), b.Lake, own, map[string]bool{"shared": true})
	if err != nil || len(near[copied]) != 1 {
		t.Fatalf("copies: %v, %v", near, err)
	}
	if err := b.Lake.Mark(context.Background(), copied, "test"); err != nil {
		t.Fatal(err)
	}
	marked(t, b)
	if got := executions(t, b.Lake, copied); len(got) != 1 || got[0] != "q-2" {
		t.Errorf("beside the caller's copy: %v", got)
	}
	if got := executions(t, b.Lake, own); len(got) != 1 || got[0] != "q-1" {
		t.Errorf("the caller's: %v", got)
	}
}

// TestIdOnTwoDays shows that the row of a start that was repeated after
// midnight lies on the first day alone.
func TestIdOnTwoDays(t *testing.T) {
	b := builder(t, price.Settings{})
	late := noon.Add(12*time.Hour - time.Second)
	first := store(t, b.Lake, start("e-1", "q-1", ours, ours, "", late))
	second := store(t, b.Lake, start("e-2", "q-1", ours, ours, "", late.Add(time.Minute)))
	marked(t, b)
	if got := executions(t, b.Lake, first); len(got) != 1 {
		t.Errorf("the first day: %v", got)
	}
	if got := executions(t, b.Lake, second); len(got) != 0 {
		t.Errorf("the second day: %v", got)
	}
}

// TestStale derives again what was derived with other prices, and nothing
// else.
func TestStale(t *testing.T) {
	ctx := context.Background()
	b := builder(t, price.Settings{})
	p := store(t, b.Lake, start("e-1", "q-1", ours, ours, "", noon))
	marked(t, b)
	if days, err := b.Stale(ctx, false); err != nil || len(days) != 0 {
		t.Errorf("nothing changed: %v, %v", days, err)
	}
	if days, err := b.Stale(ctx, true); err != nil || len(days) != 1 || days[0] != p {
		t.Errorf("all: %v, %v", days, err)
	}
	b.Settings = settings(t, price.Settings{Units: "decimal"})
	if days, err := b.Stale(ctx, false); err != nil || len(days) != 1 {
		t.Errorf("other prices: %v, %v", days, err)
	}
	with, err := lake.DerivedWith(ctx, b.Lake, lake.QueryExecutions, p)
	if err != nil || with != b.Settings.Hash() {
		t.Errorf("derived with %q, %v", with, err)
	}
}

// TestOpenGaps shows that a day with a row that Athena may still answer is
// noted, and that the note goes with the gap.
func TestOpenGaps(t *testing.T) {
	ctx := context.Background()
	b := builder(t, price.Settings{})
	p := store(t, b.Lake, start("e-1", "q-1", ours, ours, "", noon))
	marked(t, b)
	if open, err := b.Lake.OpenGaps(ctx); err != nil || len(open) != 1 || open[0] != p {
		t.Fatalf("got %v, %v", open, err)
	}
	detail := athenatrail.Detail{Home: p, Kind: athenatrail.KindQueryExecution, ID: "q-1", Outcome: athenatrail.OutcomeTooOld}
	if _, err := lake.Merge(ctx, b.Lake, lake.Details, p, []athenatrail.Detail{detail}); err != nil {
		t.Fatal(err)
	}
	if err := b.Lake.Mark(ctx, p, "test"); err != nil {
		t.Fatal(err)
	}
	marked(t, b)
	if open, err := b.Lake.OpenGaps(ctx); err != nil || len(open) != 0 {
		t.Fatalf("got %v, %v", open, err)
	}
}

// TestVerify shows that what is lost of facts or tables is found, and that a
// sound lake is not written to.
func TestVerify(t *testing.T) {
	ctx := context.Background()
	b := builder(t, price.Settings{})
	p := store(t, b.Lake, start("e-1", "q-1", ours, ours, "", noon))
	q := store(t, b.Lake, start("e-2", "q-2", ours, ours, "", noon.Add(72*time.Hour)))
	marked(t, b)
	check := func(compared, problems int, what string) {
		t.Helper()
		v, err := b.Verify(ctx)
		if err != nil || v.Compared != compared || len(v.Problems) != problems {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	check(2, 0, "sound")
	if err := b.Lake.Delete(ctx, "tables/activity_open/dt="+p.Date.String()+"/"+p.Name()+".parquet"); err != nil {
		t.Fatal(err)
	}
	check(2, 1, "a table is lost")
	if err := b.Lake.Delete(ctx, "facts/events/dt="+q.Date.String()+"/"+q.Name()+".parquet"); err != nil {
		t.Fatal(err)
	}
	check(2, 4, "and the facts of another day")
	if _, err := b.Stale(ctx, true); err != nil {
		t.Fatal(err)
	}
	check(1, 0, "made again")
	b.Settings = settings(t, price.Settings{Units: "decimal"})
	check(0, 0, "other settings")
}
