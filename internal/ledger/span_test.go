package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
)

func TestNamed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *ledger.Ledger, _ lake.Store) {
		at := func(days int, region, key, etag string) ledger.File {
			s := shard
			s.Day, s.Region = s.Day+athenatrail.Date(days), region
			return file(s, key, etag)
		}
		err := open().Record(t.Context(), []ledger.File{
			at(-1, "eu-west-1", "feed:a", "1"),
			at(0, "eu-west-1", "feed:c", "2"), at(0, "eu-west-1", "feed:b", "3"), at(0, "eu-west-1", "s3://logs/a", "4"),
			at(40, "eu-west-1", "feed:d", "5"),
			at(0, "eu-west-2", "feed:e", "6"),
			file(ledger.Shard{}, "feed:f", "7"),
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []ledger.Name
		for n, err := range open().Named(t.Context(), "111122223333", "eu-west-1", shard.Day, "feed:") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		want := []ledger.Name{{Key: "feed:b", ETag: "3"}, {Key: "feed:c", ETag: "2"}, {Key: "feed:d", ETag: "5"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, name := range []string{"..", "", "a/b", "other"} {
			failed := false
			for _, err := range open().Named(t.Context(), "111122223333", name, 0, "") {
				failed = failed || err != nil
			}
			if !failed {
				t.Errorf("region %q: no error", name)
			}
		}
	})
}
