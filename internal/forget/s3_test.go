package forget_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// grants puts two grants and a table called as a person is into a lake.
func grants(t *testing.T, store lake.Store) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	at := athenatrail.NewPartition(first, account, region)
	rows := []athenatrail.Reference{{Home: at, Kind: athenatrail.KindTable, ID: "awsdatacatalog.shop.orders", Answer: `{"From":"glue","Type":"table"}`}}
	for _, who := range []string{"rosa", "ines"} {
		principal := "arn:aws:iam::" + account + ":user/" + who
		rows = append(rows, athenatrail.Reference{Home: at, Kind: athenatrail.KindGrant, ID: principal + " table awsdatacatalog.shop.orders",
			Answer: `{"From":"lake_formation","Permissions":["SELECT"],"Principal":"` + principal + `","Resource":"awsdatacatalog.shop.orders","Scope":"table"}`})
	}
	if _, err := lake.Merge(t.Context(), l, lake.Catalog, at, rows); err != nil {
		t.Fatal(err)
	}
}

// held returns the ids of what a lake has of a catalog.
func held(t *testing.T, store lake.Store) (ids []string) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range lake.Read(t.Context(), l, lake.Catalog, athenatrail.NewPartition(first, account, region)) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

// A person's grants go with the person, tables and other people's stay; and
// what still holds of a catalog stays when the days before one go.
func TestForgetGrants(t *testing.T) {
	store, _ := newLake(t)
	grants(t, store)
	before := held(t, store)
	if _, err := runForget(t, store, forget.Options{Before: athenatrail.DateOf(first) + 2}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, held(t, store)); diff != "" {
		t.Errorf("without the first days:\n%s", diff)
	}
	result, err := runForget(t, store, forget.Options{Person: "rosa"})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(before), func(id string) bool { return strings.Contains(id, "rosa") })
	if diff := cmp.Diff(want, held(t, store)); diff != "" || len(want) != 2 {
		t.Errorf("without rosa:\n%s", diff)
	}
	if i := slices.IndexFunc(result.Counts, func(c forget.Count) bool { return c.Fact == lake.Catalog.Name() && c.Erased == 1 }); i < 0 {
		t.Errorf("counts %+v", result.Counts)
	}
	mustBeSound(t, store)
}

// What a person was told of goes with the person, a digest that names them too;
// what others were told stays.
func TestForgetNotices(t *testing.T) {
	store, _ := newLake(t)
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	at := athenatrail.NewPartition(first, "", "")
	notice := func(key, person, message string) athenatrail.Notice {
		return athenatrail.Notice{Home: at, MessageKey: key, Channel: "c", About: first, Queued: first, State: athenatrail.NoticeSent, Person: person, Message: message}
	}
	rows := []athenatrail.Notice{
		notice("limit/rosa", "rosa", `{}`), notice("limit/ines", "ines", `{"Person":"ines"}`), notice("digest/1", "", `{"Text":"  rosa   $3.00\n  ines $1.00"}`), notice("digest/2", "", `{"Text":"ines rosamund"}`),
	}
	if _, err := lake.Merge(t.Context(), l, lake.Notices, at, rows); err != nil {
		t.Fatal(err)
	}
	result, err := runForget(t, store, forget.Options{Person: "rosa"})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for n, err := range lake.Read(t.Context(), l, lake.Notices, at) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, n.MessageKey)
	}
	if !slices.Equal(left, []string{"digest/2", "limit/ines"}) {
		t.Errorf("left %q", left)
	}
	for _, x := range result.Scan.Left {
		if strings.Contains(x.Path, "notices") {
			t.Errorf("found again: %+v", x)
		}
	}
	mustBeSound(t, store)
	if _, err := runForget(t, store, forget.Options{Before: athenatrail.DateOf(first) + 1}); err != nil {
		t.Fatal(err)
	}
	for n := range lake.Read(t.Context(), l, lake.Notices, at) {
		t.Errorf("left of a day that was erased: %v", n)
	}
}

// TestForgetOnS3 erases a person, days and texts from a lake that an S3 server
// holds, and reads the log files again: nothing comes back.
func TestForgetOnS3(t *testing.T) {
	server := s3test.Start(t)
	made, trail := newLake(t)
	local, _ := contents(t, made)
	for name, o := range map[string]forget.Options{
		"person": {Person: "rosa"}, "days": {Before: athenatrail.DateOf(first) + 2}, "texts": {Texts: true},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := lake.NewS3Store(server.Client(), server.Bucket(t), "lakes/one")
			if err != nil {
				t.Fatal(err)
			}
			collectInto(t, store, trail)
			grants(t, store)
			if files, _ := contents(t, store); len(files) != len(local)+1 {
				t.Errorf("%d files on S3, %d on disk and the grants", len(files), len(local))
			}
			result, err := runForget(t, store, o)
			if err != nil {
				t.Fatal(err)
			}
			if result.Scan == nil || result.Scan.Files == 0 {
				t.Fatalf("nothing was proved: %+v", result)
			}
			for _, left := range result.Scan.Left {
				if o.Person == "" || !strings.HasPrefix(left.Path, "facts/query_texts/") {
					t.Errorf("left: %+v", left)
				}
			}
			gone := func(when string) {
				t.Helper()
				files, texts := contents(t, store)
				people := executions(t, store)
				switch name {
				case "person":
					if people["rosa"] != 0 || people["ines"] == 0 || strings.Contains(texts, "user/rosa") {
						t.Errorf("%s: people %v", when, people)
					}
				case "days":
					for path := range files {
						if day := path[strings.Index(path, "dt=")+3:]; day[:10] < "2026-05-06" && !strings.HasPrefix(path, "facts/catalog/") {
							t.Errorf("%s: %s is there", when, path)
						}
					}
					if people["rosa"] == 0 {
						t.Errorf("%s: people %v", when, people)
					}
				case "texts":
					if strings.Contains(texts, "count(*)") || strings.Contains(texts, "for rosa") || people["rosa"] == 0 {
						t.Errorf("%s: SQL is there, or people are not: %v", when, people)
					}
				}
				mustBeSound(t, store)
			}
			gone("erased")
			if o.Texts {
				return // what is collected anew is as query_text says
			}
			for file, err := range store.List(t.Context(), "_ledger/v1/") { // as if the log files were new
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(file.Key, ".parquet") {
					if err := store.Delete(t.Context(), file.Key); err != nil {
						t.Fatal(err)
					}
				}
			}
			collectInto(t, store, trail)
			gone("collected again")
		})
	}
}
