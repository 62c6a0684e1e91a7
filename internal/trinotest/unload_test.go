package trinotest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/trinotest"
)

// The days of delivery of the demo's trail that are collected both ways.
const unloadFrom, unloadTo = "2026-10-26", "2026-10-30"

// unloads collects some days of the demo's trail from its log files, and from a
// table of the columns of cloudtrail_logs over the same records, and compares
// the tables. Trino has no SerDe for log files, so the records are rows of JSON
// as the SerDe is documented to give them.
func unloads(t *testing.T, db *sql.DB, server *s3test.Server) {
	dir := t.TempDir()
	run(t, "demo", "--no-serve", "--quiet", "--events", "150", "--lake", filepath.Join(dir, "demo"), "--out", filepath.Join(dir, "all"))
	trail := filepath.Join(dir, "trail")
	takeDays(t, filepath.Join(dir, "all"), trail)
	here := filepath.Join(dir, "here")
	run(t, "collect", "--source", trail, "--no-details", "--lake", here)

	bucket, staging := server.Bucket(t), server.Bucket(t)
	accounts, regions := trailTable(t, db, server, bucket, trail)
	var statements []string
	api := startAthena(t, func(ctx context.Context, s athenaapitest.Statement) (athenaapitest.Result, error) {
		statements = append(statements, s.SQL)
		return unload(ctx, db, s.SQL)
	})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_ATHENA": api.URL, "AWS_ENDPOINT_URL_S3": server.Endpoint,
		"AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": server.Region,
		"ATHENATRAIL_ENGINE":   fmt.Sprintf("{database: athenatrail, output_location: 's3://results/x/', staging_location: 's3://%s/for/a/while'}", staging),
		"ATHENATRAIL_ACCOUNTS": "[{id: '" + strings.Join(accounts, "'}, {id: '") + "'}]", "ATHENATRAIL_REGIONS": strings.Join(regions, ","),
	} {
		t.Setenv(name, value)
	}
	there := filepath.Join(dir, "there")
	collect := []string{"collect", "--on", "athena", "--source", "s3://" + bucket + "/AWSLogs", "--from", unloadFrom, "--to", unloadTo, "--no-details", "--lake", there}
	_, talk := run(t, append(collect, "--dry-run")...)
	if !strings.Contains(talk, "would let Athena read 4 days") || len(statements) > 0 {
		t.Errorf("foreseen %q, with %d statements", talk, len(statements))
	}
	_, talk = run(t, collect...)
	if !strings.Contains(talk, "athena: 4 statements scanned ") {
		t.Errorf("it said %q", talk)
	}
	for _, query := range []string{
		"SELECT * FROM query_executions ORDER BY account_id, region_name, query_execution_id NULLS LAST, event_id",
		"SELECT * FROM sessions ORDER BY account_id, region_name, session_id NULLS LAST, event_id",
		"SELECT * FROM calculations ORDER BY account_id, region_name, calculation_execution_id",
		"SELECT * EXCLUDE (request_parameters, response_elements) FROM activity ORDER BY account_id, region_name, event_id",
	} {
		want, _ := run(t, "query", query, "--lake", here, "--output", "json")
		got, _ := run(t, "query", query, "--lake", there, "--output", "json")
		if d := cmp.Diff(rows(t, want), rows(t, got)); d != "" {
			t.Errorf("%s: from log files (-), by Athena (+):\n%s", query, d)
		}
		if n := len(rows(t, want)); n < 5 {
			t.Errorf("%s: %d rows to compare", query, n)
		}
	}
	left, err := server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &staging})
	if err != nil || len(left.Contents) > 0 {
		t.Errorf("left in the staging bucket: %v, %v", left.Contents, err)
	}
	before := len(statements)
	if _, talk = run(t, collect...); len(statements) != before || strings.Contains(talk, "statement") {
		t.Errorf("the second run made %d statements, and said %q", len(statements)-before, talk)
	}
}

// takeDays copies the log files of some days of delivery, whose folders are the
// last three of the path before the name.
func takeDays(t *testing.T, from, to string) {
	t.Helper()
	for _, path := range logFiles(t, from) {
		if day := dayOf(path); day < unloadFrom || day >= unloadTo {
			continue
		}
		name, _ := filepath.Rel(from, path)
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func logFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(filepath.ToSlash(path), "/CloudTrail/") && strings.HasSuffix(path, ".json.gz") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d log files in %s, %v", len(paths), dir, err)
	}
	return paths
}

func parts(path string) []string { return strings.Split(filepath.ToSlash(path), "/") }

func dayOf(path string) string {
	p := parts(path)
	return strings.Join(p[len(p)-4:len(p)-1], "-")
}

// trailTable makes cloudtrail_logs in Trino over the records of log files, with
// the columns of athenatrail ddl glue, and returns its accounts and regions.
func trailTable(t *testing.T, db *sql.DB, server *s3test.Server, bucket, trail string) (accounts, regions []string) {
	t.Helper()
	text, _ := run(t, "ddl", "glue", "--lake", filepath.Join(filepath.Dir(trail), "here"), "--location", "s3://"+bucket, "--trail", "s3://"+bucket)
	var tables []struct {
		TableInput struct {
			Name              string
			StorageDescriptor struct{ Columns []struct{ Name, Type string } }
		}
	}
	if err := json.Unmarshal([]byte(text), &tables); err != nil {
		t.Fatal(err)
	}
	table := tables[slices.IndexFunc(tables, func(x struct {
		TableInput struct {
			Name              string
			StorageDescriptor struct{ Columns []struct{ Name, Type string } }
		}
	}) bool {
		return x.TableInput.Name == "cloudtrail_logs"
	})].TableInput
	columns := &hiveType{kind: "struct"}
	var lines []string
	for _, c := range table.StorageDescriptor.Columns {
		kind := parseHive(t, c.Type)
		columns.names, columns.of = append(columns.names, c.Name), append(columns.of, kind)
		lines = append(lines, c.Name+" "+kind.trino())
	}
	days := map[string]*bytes.Buffer{}
	foundAccounts, foundRegions := map[string]bool{}, map[string]bool{}
	for _, path := range logFiles(t, trail) {
		p := parts(path)
		account, region := p[len(p)-7], p[len(p)-5]
		foundAccounts[account], foundRegions[region] = true, true
		key := "rows/" + account + "/" + region + "/" + strings.ReplaceAll(dayOf(path), "-", "/") + "/rows.json"
		if days[key] == nil {
			days[key] = &bytes.Buffer{}
		}
		for _, record := range records(t, path) {
			line, _ := json.Marshal(columns.row(record))
			days[key].Write(append(line, '\n'))
		}
	}
	for key, data := range days {
		server.Put(t, bucket, key, data.Bytes())
	}
	accounts, regions = slices.Sorted(maps.Keys(foundAccounts)), slices.Sorted(maps.Keys(foundRegions))
	location := "s3://" + bucket + "/rows/"
	enum := func(column string, values []string) string {
		return column + " VARCHAR WITH (partition_projection_type = 'enum', partition_projection_values = ARRAY['" + strings.Join(values, "', '") + "'])"
	}
	lines = append(lines, enum("account", accounts), enum("region", regions),
		`"timestamp" VARCHAR WITH (partition_projection_type = 'date', partition_projection_format = 'yyyy/MM/dd', partition_projection_range = ARRAY['2026/09/01', 'NOW'])`)
	define(t, db, "CREATE SCHEMA IF NOT EXISTS "+trinotest.Catalog+".athenatrail;\nCREATE TABLE cloudtrail_logs (\n"+strings.Join(lines, ",\n")+"\n) WITH (format = 'JSON', external_location = '"+location+
		"', partitioned_by = ARRAY['account', 'region', 'timestamp'], partition_projection_enabled = true, partition_projection_location_template = '"+location+"${account}/${region}/${timestamp}/');\n")
	return accounts, regions
}

func records(t *testing.T, path string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Records []map[string]any }
	dec := json.NewDecoder(z)
	dec.UseNumber()
	if err := dec.Decode(&file); err != nil {
		t.Logf("%s: %v", path, err) // the demo has damaged ones
	}
	return file.Records
}

// A hiveType is a type of Hive's, for what Trino calls it and for a value as
// the SerDe gives it.
type hiveType struct {
	kind  string // string, struct, array or map
	names []string
	of    []*hiveType
}

func parseHive(t *testing.T, text string) *hiveType {
	t.Helper()
	rest := text
	var parse func() *hiveType
	word := func() string {
		end := strings.IndexAny(rest, "<>,:")
		if end < 0 {
			end = len(rest)
		}
		w := rest[:end]
		rest = rest[end:]
		return w
	}
	parse = func() *hiveType {
		h := &hiveType{kind: word()}
		if !strings.HasPrefix(rest, "<") {
			return h
		}
		for rest[0] != '>' {
			rest = rest[1:]
			if h.kind == "struct" {
				h.names = append(h.names, word())
				rest = rest[1:]
			}
			h.of = append(h.of, parse())
		}
		rest = rest[1:]
		return h
	}
	h := parse()
	if rest != "" {
		t.Fatalf("type %s: left %q", text, rest)
	}
	return h
}

func (h *hiveType) trino() string {
	switch h.kind {
	case "string":
		return "VARCHAR"
	case "array":
		return "ARRAY(" + h.of[0].trino() + ")"
	case "map":
		return "MAP(" + h.of[0].trino() + ", " + h.of[1].trino() + ")"
	}
	var list []string
	for i, of := range h.of {
		list = append(list, `"`+h.names[i]+`" `+of.trino())
	}
	return "ROW(" + strings.Join(list, ", ") + ")"
}

// row is a value as the SerDe gives it: what is wanted as a text and is none is
// JSON text, and names do not mind their case.
func (h *hiveType) row(v any) any {
	if v == nil {
		return nil
	}
	switch h.kind {
	case "string":
		if _, is := v.(string); is {
			return v
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.Encode(v)
		return strings.TrimSpace(b.String())
	case "array":
		list := []any{}
		for _, item := range v.([]any) {
			list = append(list, h.of[0].row(item))
		}
		return list
	case "map":
		return v
	}
	made := map[string]any{}
	for name, member := range v.(map[string]any) {
		if i := slices.Index(h.names, strings.ToLower(name)); i >= 0 {
			made[h.names[i]] = h.of[i].row(member)
		}
	}
	return made
}

var unloadForm = regexp.MustCompile(`(?s)^UNLOAD \((.*)\) TO '(s3://[^']*/)' WITH \(format = 'JSON'\)$`)

// unload does in Trino what Athena's UNLOAD does: the rows of a SELECT become
// files, and no table.
func unload(ctx context.Context, db *sql.DB, statement string) (r athenaapitest.Result, err error) {
	m := unloadForm.FindStringSubmatch(statement)
	if m == nil {
		return r, &athenaapitest.RunFailure{Category: 2, Message: "no UNLOAD: " + statement}
	}
	name := "unloaded_" + regexp.MustCompile(`[^a-z0-9]`).ReplaceAllString(strings.ToLower(m[2]), "_")
	for _, s := range []string{"CREATE TABLE " + name + " WITH (format = 'JSON', external_location = '" + m[2] + "') AS " + m[1], "DROP TABLE " + name} {
		if r, err = ask(ctx, db, s); err != nil {
			return r, err
		}
	}
	return athenaapitest.Result{ScannedBytes: 12_345_678}, nil
}

func startAthena(t *testing.T, do func(context.Context, athenaapitest.Statement) (athenaapitest.Result, error)) *athenaapitest.Server {
	t.Helper()
	api, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
		Run:    do,
		Keys: []athenaapitest.Key{
			{ID: "AKIDEXAMPLE", Secret: "secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/reports"},
			{ID: "test", Secret: "test-secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/reports"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}
