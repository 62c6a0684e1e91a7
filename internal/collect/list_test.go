package collect

import (
	"context"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

type named string

func (n named) Name() string { return string(n) }
func (named) List(context.Context, source.Bounds) iter.Seq2[source.Object, error] {
	return func(func(source.Object, error) bool) {}
}
func (named) Open(context.Context, source.Object) (io.ReadCloser, error) { return nil, io.EOF }

// TestListFrom shows from when on a source is listed again.
func TestListFrom(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 5, d, 6, 0, 0, 0, time.UTC) }
	before := []ledger.Source{
		{Name: "s3://read", NewestDelivered: day(20)},
		{Name: "s3://missed", NewestDelivered: day(20), Unread: 2, OldestUnread: day(10)},
		{Name: "s3://nameless", NewestDelivered: day(20), Unread: 1},
		{Name: "s3://nothing"},
		{Name: "./folder", NewestDelivered: day(20)},
	}
	f := func(name string, from, want time.Time) {
		t.Helper()
		r := &run{Options: Options{Bounds: source.Bounds{From: from}, Lookback: 48 * time.Hour}}
		if got := r.listFrom(named(name), before); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	f("s3://read", time.Time{}, day(18))
	f("s3://missed", time.Time{}, day(8))
	f("s3://nameless", time.Time{}, time.Time{})
	f("s3://nothing", time.Time{}, time.Time{})
	f("s3://new", time.Time{}, time.Time{})
	f("./folder", time.Time{}, time.Time{})
	f("s3://read", day(1), day(1))
}
