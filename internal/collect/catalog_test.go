package collect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/catalog"
	"github.com/athenatrail/athenatrail/internal/catalog/catalogtest"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// catalogFacts returns what the lake holds of catalogs, as lines.
func catalogFacts(t *testing.T, store lake.Store) (lines []string) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for part, err := range lake.Partitions(t.Context(), l, lake.Catalog, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range lake.Read(t.Context(), l, lake.Catalog, part.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprint(part.Partition, " ", r.ID, " ", r.Answer))
		}
	}
	return lines
}

// TestCatalogIsAskedOnceADay lets tables come, change and go: a day's first run
// asks, others do not, and what is stored is what differs.
func TestCatalogIsAskedOnceADay(t *testing.T) {
	server := catalogtest.Start(catalogtest.Config{Keys: map[string]string{"AKIATESTKEY01EXAMPLE": here}})
	defer server.Close()
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	writeFiles(t, trail, [][]string{{sql("q1", on(0, "10:00:00"), user("rosa"))}})
	place := catalogtest.Place{Account: here, Region: "eu-west-1"}
	tables := func(list ...any) {
		place.Databases = []catalogtest.Database{{Name: "sales"}}
		for i := 0; i+1 < len(list); i += 2 {
			place.Databases[0].Tables = append(place.Databases[0].Tables, map[string]any{"Name": list[i], "Parameters": map[string]string{"sizeKey": fmt.Sprint(list[i+1])}})
		}
	}
	var asked []string
	broken := errors.New("broken")
	var fails error
	run := func(days int) *collect.Summary {
		t.Helper()
		asked = nil
		server := catalogtest.Start(catalogtest.Config{Places: []catalogtest.Place{place}, Keys: map[string]string{"AKIATESTKEY01EXAMPLE": here}})
		defer server.Close()
		sum, err := runWith(t, store, trail, &sparkDetails{}, func(o *collect.Options) {
			o.Now = on(days, "12:00:00")
			o.References = &collect.References{Catalog: &collect.Catalog{Tables: func(ctx context.Context, account, region string) (catalog.Listing, error) {
				asked = append(asked, account+" "+region)
				if fails != nil {
					return catalog.Listing{}, fails
				}
				return catalog.Tables(ctx, aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATESTKEY01EXAMPLE", "secret", ""),
					HTTPClient: nil})
			}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	day := func(n int) string {
		return on(n, "00:00:00").Format("2006-01-02") + "/" + here + "_eu-west-1 awsdatacatalog.sales."
	}
	check := func(what string, wantAsked bool, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, catalogFacts(t, store)); diff != "" {
			t.Errorf("%s (- is wanted):\n%s", what, diff)
		}
		if (len(asked) > 0) != wantAsked || wantAsked && !slices.Equal(asked, []string{here + " eu-west-1"}) {
			t.Errorf("%s: asked %v", what, asked)
		}
	}
	stored := []string{day(1) + `a {"Bytes":1,"From":"glue","Type":"table"}`, day(1) + `b {"Bytes":2,"From":"glue","Type":"table"}`}
	tables("a", 1, "b", 2)
	fails = broken
	if sum := run(1); len(sum.Problems) != 1 || !strings.Contains(sum.Problems[0], "broken") {
		t.Errorf("problems %v", sum.Problems)
	}
	check("who fails is asked again", true)
	fails = collect.ErrNoRole
	if sum := run(1); len(sum.Problems) != 0 {
		t.Errorf("problems %v", sum.Problems)
	}
	fails = nil
	// The lake has nothing to derive, so that nothing tells of the place.
	writeFiles(t, trail, [][]string{nil, {sql("q2", on(0, "11:00:00"), user("rosa"))}})
	run(1)
	check("the first", true, stored...)
	tables("a", 1, "b", 3, "c", 4)
	run(1)
	check("the same day", false, stored...)
	stored = append(stored, day(2)+`b {"Bytes":3,"From":"glue","Type":"table"}`, day(2)+`c {"Bytes":4,"From":"glue","Type":"table"}`)
	run(2)
	check("one changed, one came", true, stored...)
	tables("b", 3, "c", 4)
	stored = append(stored, day(3)+`a {"From":"glue","Gone":true}`)
	run(3)
	check("one went", true, stored...)
	run(4)
	check("nothing changed", true, stored...)
	tables("a", 1, "b", 3, "c", 4)
	run(5)
	stored = append(stored, day(5)+`a {"Bytes":1,"From":"glue","Type":"table"}`)
	check("one is back", true, stored...)
	place.Databases[0].Broken = true
	if sum := run(6); len(sum.Problems) != 1 || !strings.Contains(sum.Problems[0], `list the tables of database "sales"`) {
		t.Errorf("problems %v", sum.Problems)
	}
	check("a database that does not answer", true, stored...)
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for p := range lake.Verify(t.Context(), l, "") {
		t.Error(p)
	}
}

// TestCatalogOfAFile reads a file again when it changes, also on the same day.
func TestCatalogOfAFile(t *testing.T) {
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	writeFiles(t, trail, [][]string{{sql("q1", on(0, "10:00:00"), user("rosa"))}})
	path := filepath.Join(t.TempDir(), "tables.csv")
	run := func(days int, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("database,table,format\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := catalog.ReadTables(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runWith(t, store, trail, &sparkDetails{}, func(o *collect.Options) {
			o.Now = on(days, "12:00:00")
			o.References = &collect.References{Catalog: &collect.Catalog{Files: []*catalog.File{file}}}
		}); err != nil {
			t.Fatal(err)
		}
	}
	line := func(n int, id, answer string) string {
		return on(n, "00:00:00").Format("2006-01-02") + "/unknown_unknown awsdatacatalog.sales." + id + " " + answer
	}
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, catalogFacts(t, store)); diff != "" {
			t.Errorf("%s (- is wanted):\n%s", what, diff)
		}
	}
	run(1, "sales,a,parquet\nsales,typo,csv\n")
	check("the first", line(1, "a", `{"Format":"parquet","From":"file","Type":"table"}`), line(1, "typo", `{"Format":"csv","From":"file","Type":"table"}`))
	// Of two answers with one key on one day the longer would stay.
	run(1, "sales,a,csv\n")
	check("mended on the same day", line(1, "a", `{"Format":"csv","From":"file","Type":"table"}`))
	run(2, "sales,a,csv\n")
	check("not changed", line(1, "a", `{"Format":"csv","From":"file","Type":"table"}`))
	run(3, "sales,b,csv\n")
	first := line(1, "a", `{"Format":"csv","From":"file","Type":"table"}`)
	check("another", first, line(3, "a", `{"From":"file","Gone":true}`), line(3, "b", `{"Format":"csv","From":"file","Type":"table"}`))
	run(3, "sales,a,csv\nsales,b,csv\n")
	check("both", first, line(3, "b", `{"Format":"csv","From":"file","Type":"table"}`))
}
