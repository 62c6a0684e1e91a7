package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told returns what a file says, as lines of place, id and answer.
func told(f *File) (lines []string) {
	for _, p := range f.Places() {
		for _, r := range f.At(p).References {
			lines = append(lines, p.Name()+" "+r.ID+" "+r.Answer)
		}
	}
	return lines
}

func TestReadTables(t *testing.T) {
	f, err := ReadTables(write(t, "tables.csv", "\ufeff# all of them\nDatabase, table,format,partition_columns,bytes,account_id,region_name,created,,\n"+
		"Sales,Orders,Parquet,\"dt  HR\",12,012345678901,eu-west-1,2026-01-02,,\n\nsales,\"raw.\"\"x\"\"\",,,,,,2026-01-02T03:04:05+01:00,,\nsales,orders,csv,,,,,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`012345678901_eu-west-1 awsdatacatalog.sales.orders {"Bytes":12,"Created":"2026-01-02T00:00:00Z","Format":"parquet","From":"file","PartitionColumns":["dt","hr"],"Type":"table"}`,
		`unknown_unknown awsdatacatalog.sales."raw.""x""" {"Created":"2026-01-02T02:04:05Z","From":"file","Type":"table"}`,
		`unknown_unknown awsdatacatalog.sales.orders {"Format":"csv","From":"file","Type":"table"}`,
	}
	if diff := cmp.Diff(want, told(f)); diff != "" || f.Kind != athenatrail.KindTable || len(f.Version) != 16 {
		t.Errorf("%+v (- is wanted):\n%s", f, diff)
	}
}

func TestReadGrants(t *testing.T) {
	csv, err := ReadGrants(write(t, "grants.csv", "principal,table,permissions\n"+
		"arn:aws:iam::111122223333:role/analyst,sales.orders,select describe\narn:aws:iam::111122223333:role/analyst,awsdatacatalog.Sales.orders,SELECT\nIAM_ALLOWED_PRINCIPALS,web.*,ALL\n"))
	if err != nil {
		t.Fatal(err)
	}
	const analyst = "arn:aws:iam::111122223333:role/analyst"
	answers := []string{
		`unknown_unknown IAM_ALLOWED_PRINCIPALS tables awsdatacatalog.web.* {"From":"file","Permissions":["ALL"],"Principal":"IAM_ALLOWED_PRINCIPALS","Resource":"awsdatacatalog.web.*","Scope":"tables"}`,
		`unknown_unknown ` + analyst + ` table awsdatacatalog.sales.orders {"From":"file","Permissions":["DESCRIBE","SELECT"],"Principal":"` + analyst + `","Resource":"awsdatacatalog.sales.orders","Scope":"table"}`,
	}
	if diff := cmp.Diff(answers, told(csv)); diff != "" {
		t.Errorf("CSV (- is wanted):\n%s", diff)
	}
	const list = `[{"Principal": {"DataLakePrincipalIdentifier": "` + analyst + `"}, "Permissions": ["SELECT", "DESCRIBE"], "PermissionsWithGrantOption": [],
  "Resource": {"Table": {"CatalogId": "111122223333", "DatabaseName": "sales", "Name": "orders"}}},
 {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"], "Resource": {"Table": {"DatabaseName": "web", "TableWildcard": {}}}},
 {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"], "Resource": {"Catalog": {}}}]`
	for _, text := range []string{list, `{"PrincipalResourcePermissions": ` + list + `}`} {
		f, err := ReadGrants(write(t, "grants.json", text))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{strings.Replace(answers[1], "unknown_unknown", "111122223333_unknown", 1), answers[0]}
		if diff := cmp.Diff(want, told(f)); diff != "" {
			t.Errorf("JSON (- is wanted):\n%s", diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	check := func(read func(string) (*File, error), text string, want ...string) {
		t.Helper()
		path := write(t, "file", text)
		f, err := read(path)
		if err == nil || strings.ReplaceAll(err.Error(), path, "file") != strings.Join(want, "\n") || f != nil {
			t.Errorf("%.100q:\ngot  %v\nwant %s", text, err, strings.Join(want, "\n"))
		}
	}
	const tables = "account_id,region_name,catalog,database,table,type,format,compression,partition_columns,column_count,bytes,rows,created,updated"
	check(ReadTables, "", "file:1: the file is empty: want a first line of "+tables)
	check(ReadTables, "\xff\xfea\x00", `file:1: the text is UTF-16: want UTF-8, as in "CSV UTF-8" of a spreadsheet`)
	check(ReadTables, "database;table\n", "file:1: the columns are separated by semicolons or tabs: want commas")
	check(ReadTables, "database,tabel,owner,database\n", `file:1: unknown column "tabel": did you mean table?`,
		`file:1: unknown column "owner": want `+strings.ReplaceAll(tables, ",", ", "), "file:1: column database stands here twice")
	check(ReadTables, "table\n", "file:1: no column database")
	check(ReadTables, "database,table,bytes,created,account_id,region_name\nsales,orders,12 GB,soon,1234,Paris\nsales\n,orders,,,,\nsales,a,,,,\nsales,a,,,,\nsales,b\x01,,,,\n\"sales\"x,b,,,,\n",
		`file:2: account_id "1234": want 12 digits; a spreadsheet may have taken leading zeros away`, `file:2: region_name "Paris": want a region such as eu-west-1`,
		`file:2: bytes "12 GB": want a whole number`, `file:2: created "soon": want a day such as 2026-11-03, or a time such as 2026-11-03T04:05:06Z`,
		"file:3: 1 fields: want 6, as in the header", `file:4: table ".orders": want a database and a table, each of 1 to 255 bytes`,
		"file:6: table awsdatacatalog.sales.a stands here twice", `file:7: table "b\x01": want one line without control characters`,
		"file:8: a quote does not stand right: want the whole field in quotes, and those within it doubled")
	check(ReadGrants, "principal,table\n", "file:1: no column permissions")
	check(ReadGrants, "principal,table,permissions\n,sales.orders,SELECT\nx,orders,SELECT\nx,a.b.c.d,SELECT\nx,sales.orders,\n",
		"file:2: want a principal and its permissions, such as SELECT", `file:3: table "orders": want database.table, catalog.database.table, or database.* for all its tables`,
		`file:4: table "a.b.c.d": want database.table, catalog.database.table, or database.* for all its tables`, "file:5: want a principal and its permissions, such as SELECT")
	check(ReadGrants, "{\"PrincipalResourcePermissions\": [],\n \"NextToken\": \"x\"}", "file:1: there is more behind NextToken: want the whole list, without --max-items and --no-paginate")
	check(ReadGrants, "{}", "file:1: no PrincipalResourcePermissions: want what aws lakeformation list-permissions prints")
	check(ReadGrants, "[\n{]", "file:2: invalid character ']' looking for beginning of object key string")
	if _, err := ReadTables(filepath.Join(t.TempDir(), "none.csv")); err == nil || !strings.HasSuffix(err.Error(), "none.csv: no such file or directory") {
		t.Errorf("%v", err)
	}
	many := "database,table\n" + strings.Repeat("sales\n", 25)
	if _, err := ReadTables(write(t, "f", many)); err == nil || !strings.HasSuffix(err.Error(), ": 5 more mistakes") {
		t.Errorf("%v", err)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add("database,table\nsales,orders\n")
	f.Add("principal,table,permissions\nx,sales.*,ALL\n")
	f.Add(`[{"Principal":{"DataLakePrincipalIdentifier":"x"},"Resource":{"Table":{"DatabaseName":"a","TableWildcard":{}}},"Permissions":["ALL"]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, "file", text)
		for _, read := range []func(string) (*File, error){ReadTables, ReadGrants} {
			x, err := read(path)
			if err != nil {
				continue
			}
			for _, p := range x.Places() {
				l := x.At(p)
				for _, r := range l.References {
					if r.Kind != x.Kind || r.ID == "" || l.Lacks(r.ID) {
						t.Errorf("%+v", r)
					}
					if answer, ok := GoneFrom(FromFile, r); !ok || answer == r.Answer {
						t.Errorf("%s is not gone by %s", r.Answer, answer)
					}
				}
			}
		}
	})
}

func TestFormats(t *testing.T) {
	f := func(want, serde, input string, parameters ...string) {
		t.Helper()
		p := map[string]string{}
		for i := 0; i+1 < len(parameters); i += 2 {
			p[parameters[i]] = parameters[i+1]
		}
		if got := formatOf(p, serde, input); got != want {
			t.Errorf("%s %s %v: %q, want %q", serde, input, parameters, got, want)
		}
	}
	const hive, hadoop = "org.apache.hadoop.hive.", "org.apache.hadoop.mapred."
	f("csv", hive+"serde2.lazy.LazySimpleSerDe", hadoop+"TextInputFormat", "classification", "parquet")
	f("csv", hive+"serde2.OpenCSVSerde", hadoop+"TextInputFormat")
	f("json", "org.openx.data.jsonserde.JsonSerDe", "")
	f("json", "org.apache.hive.hcatalog.data.JsonSerDe", "")
	f("json", "com.amazon.emr.hive.serde.CloudTrailSerde", "com.amazon.emr.cloudtrail.CloudTrailInputFormat")
	f("parquet", hive+"ql.io.parquet.serde.ParquetHiveSerDe", "")
	f("orc", hive+"ql.io.orc.OrcSerde", "")
	f("avro", hive+"serde2.avro.AvroSerDe", "")
	f("text", hive+"serde2.RegexSerDe", "")
	f("text", "com.amazonaws.glue.serde.GrokSerDe", "")
	f("ion", "com.amazon.ionhiveserde.IonHiveSerDe", "")
	f("iceberg", "", "", "table_type", "ICEBERG", "classification", "parquet")
	f("delta", hive+"serde2.lazy.LazySimpleSerDe", hadoop+"SequenceFileInputFormat", "spark.sql.sources.provider", "delta")
	f("hudi", hive+"ql.io.parquet.serde.ParquetHiveSerDe", "org.apache.hudi.hadoop.HoodieParquetInputFormat")
	f("xml", "", "", "classification", "XML")
	f("parquet", "", hive+"ql.io.parquet.MapredParquetInputFormat", "classification", "UNKNOWN")
	f("", "", "")
	for location, want := range map[string]string{
		"s3://bucket/a b/?versionId=1": "s3://bucket/a b/", "mysql://me:p@ss@host/db;password=x": "mysql://host/db", "db.schema.table": "db.schema.table", "": "",
	} {
		if got := locationOf(location); got != want {
			t.Errorf("location %q: %q, want %q", location, got, want)
		}
	}
}

// What there is at most to store of an account is stored in a moment.
func BenchmarkReadTables(b *testing.B) {
	var text strings.Builder
	text.WriteString("database,table,format,bytes\n")
	for i := range maxTables {
		fmt.Fprintf(&text, "database_%d,table_%d,parquet,%d\n", i/1000, i, i)
	}
	path := write(b, "tables.csv", text.String())
	for b.Loop() {
		if _, err := ReadTables(path); err != nil {
			b.Fatal(err)
		}
	}
}
