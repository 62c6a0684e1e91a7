package config

import (
	"net/url"
	"regexp"
	"time"
)

// Engines that answer reports.
const (
	EngineDuckDB = "duckdb"
	EngineAthena = "athena"
	EngineTrino  = "trino"
)

// An Engine is what runs the SQL of reports: DuckDB within the program, or
// Athena or Trino over the tables that the command ddl makes there.
type Engine struct {
	Name string

	Database string // of the lake's tables; of Trino, the schema
	Catalog  string // empty: AwsDataCatalog of Athena, hive of Trino

	// Of Athena.
	WorkGroup      string        // empty: primary
	OutputLocation string        // where results go; empty: the work group's
	Staging        string        // where collect --on athena puts records for a while; empty: OutputLocation
	ResultReuse    time.Duration // how old a result may be to be taken again; 0: none is
	BytesCutoff    int64         // a statement that scanned more is stopped; 0: none is
	Region         string        // empty: the default one
	SystemTable    string        // what SQL calls Athena's query_executions

	TrinoURL string // of the coordinator, with the user and no password
}

// DefaultSystemTable is where Athena keeps query_executions, once it is switched
// on (Athena User Guide, "query_executions").
const DefaultSystemTable = `"s3tablescatalog/aws-athena"."metadata"."query_executions"`

const maxResultReuse = 7 * 24 * time.Hour

var (
	databaseForm  = regexp.MustCompile(`^[a-z0-9_]{1,128}$`)
	catalogForm   = regexp.MustCompile(`^[A-Za-z0-9_@-]{1,128}$`)
	workGroupForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	outputForm    = regexp.MustCompile(`^s3://[a-z0-9.-]{3,63}(/.*)?$`)
	systemTable   = regexp.MustCompile(`^("[A-Za-z0-9_./@-]{1,200}"|[a-z0-9_]{1,128})(\.("[A-Za-z0-9_./@-]{1,200}"|[a-z0-9_]{1,128})){0,2}$`)
	engineRegion  = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)
)

// EngineName checks the name of an engine, and returns what is wanted instead.
func EngineName(text string) string { return oneOf(EngineDuckDB, EngineAthena, EngineTrino)(text) }

func setEngine(c *Config, path string, n node) []error {
	e := &c.Engine
	text := func(field *string, is check) func(*Config, string, node) []error {
		return one(func(_ *Config, text string) string {
			*field = text
			return is(text)
		})
	}
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"name":             text(&e.Name, EngineName),
		"database":         text(&e.Database, matching(databaseForm, "the name of a database: lower-case letters, digits and _")),
		"catalog":          text(&e.Catalog, matching(catalogForm, "the name of a catalog")),
		"work_group":       text(&e.WorkGroup, matching(workGroupForm, "the name of a work group")),
		"output_location":  text(&e.OutputLocation, matching(outputForm, "a location such as s3://bucket/prefix/")),
		"staging_location": text(&e.Staging, matching(outputForm, "a location such as s3://bucket/prefix/")),
		"system_table":     text(&e.SystemTable, matching(systemTable, `the name of a table, such as "s3tablescatalog/aws-athena".metadata.query_executions`)),
		"region":           text(&e.Region, matching(engineRegion, "the name of an AWS region")),
		"trino_url":        text(&e.TrinoURL, trinoURL),
		"result_reuse": one(func(_ *Config, text string) string {
			d, ok := parseDuration(text)
			if !ok || d > maxResultReuse || d%time.Minute != 0 {
				return durationForms + ", in whole minutes, at most 7d"
			}
			e.ResultReuse = d
			return ""
		}),
		"bytes_cutoff": one(func(_ *Config, text string) string {
			size, ok := parseSize(text)
			if !ok {
				return "a size such as 10GB"
			}
			e.BytesCutoff = size
			return ""
		}),
	})
}

// trinoURL refuses passwords: the file is no place for one, and config prints
// what is in it.
func trinoURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "a URL such as http://user@localhost:8080"
	}
	if _, has := u.User.Password(); has {
		return "a URL without a password: ATHENATRAIL_TRINO_TOKEN holds a token to sign in with"
	}
	return ""
}

func showEngine(c *Config) []shown {
	e := &c.Engine
	lines := []shown{{"engine.name", e.Name}, {"engine.database", e.Database}}
	lines = append(lines, given("engine.", "catalog", e.Catalog, "work_group", e.WorkGroup, "output_location", e.OutputLocation, "staging_location", e.Staging, "region", e.Region, "trino_url", e.TrinoURL)...)
	if e.SystemTable != DefaultSystemTable {
		lines = append(lines, shown{"engine.system_table", e.SystemTable})
	}
	if e.ResultReuse > 0 {
		lines = append(lines, shown{"engine.result_reuse", formatDuration(e.ResultReuse)})
	}
	if e.BytesCutoff > 0 {
		lines = append(lines, shown{"engine.bytes_cutoff", formatSize(e.BytesCutoff)})
	}
	return lines
}
