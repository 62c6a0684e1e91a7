// Package config makes one checked struct of the configuration file, the
// environment and the flags: a flag beats ATHENATRAIL_*, which beats the file,
// which beats the default. Every value remembers where it came from.
//
// The file is YAML with version: 1. A key that it does not know is an error
// with line and column; testdata/athenatrail.yaml shows all that there are.
// Every key K of the file is also the environment variable ATHENATRAIL_K in
// capitals: a list is separated by commas, a key with keys of its own (rates,
// caps, accounts, prices, teams, directory, catalog, comments, limits, anomalies, notify, serve, engine) takes the YAML that would
// stand in the file.
package config

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"
	_ "time/tzdata" // timezone must be readable on a machine without zone files

	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/redact"
	"github.com/athenatrail/athenatrail/internal/team"
)

// DefaultFile is read when no other file is named and it exists.
const DefaultFile = "athenatrail.yaml"

// Values of Config.Details, Config.PriceUnits and Config.ZeroByteDML.
const (
	DetailsAPI  = "api"  // ask BatchGetQueryExecution
	DetailsNone = "none" // ask nothing

	// DetailsSystemTable asks Athena's system table, and the API for what that
	// does not know.
	DetailsSystemTable = "system_table"

	UnitsBinary  = "binary"  // a megabyte has 2^20 bytes, a terabyte 2^40
	UnitsDecimal = "decimal" // 10^6 and 10^12

	ZeroByteMinimum = "minimum" // DML that scans nothing costs the minimum
	ZeroByteFree    = "free"
)

// A Config is every setting, checked.
type Config struct {
	File string // the file that was read, as it was named; empty without one

	Lake     string   // a folder, or s3://bucket[/prefix]
	Sources  []string // what collect reads when --source is not given
	Profile  string   // of the AWS shared configuration; empty: the SDK's default
	Regions  []string // AWS regions, or the one word "all"
	Accounts []Account

	// AssumeRole is the ARN of the role of accounts that are not in Accounts,
	// with {account} in the place of the account id. Empty: none.
	AssumeRole string

	Details  string        // one of the Details constants
	Lookback time.Duration // how far behind the last log file read a late one is looked for
	Rates    Rates
	Caps     Caps

	// Retention is for how many days rows are kept, by table; query_texts
	// stands for the SQL. What it does not name is kept for ever.
	Retention map[string]int

	LookupEvents LookupEvents

	Prices      []Price // beat the program's own table
	PriceUnits  string
	ZeroByteDML string

	SharedPrincipals []string // IAM users that are a tool's; empty: the built-in patterns
	OwnPrincipals    []string // patterns of the ARNs under which athenatrail itself runs

	Teams     []team.Rule // the first that matches wins
	Directory Directory
	Comments  []annotation.Pattern // how tools that are not built in name themselves in SQL

	Catalog Catalog
	Serve   Serve
	Engine  Engine

	// PartitionColumns are what findings take large tables to be partitioned
	// by, in order.
	PartitionColumns []PartitionColumn

	Limits  []limit.Definition // how much may be used, checked
	Protect []string           // patterns of principals that nobody acts upon

	Notify []notify.Channel // on which to tell of limits and more, checked

	Anomalies anomaly.Settings // without the zone: see AnomalySettings

	QueryText string // a redact.Mode: what of SQL is stored
	Timezone  *time.Location
	Jobs      int // files read side by side

	// Warnings are what looks like a mistake and is none for certain: an
	// environment variable that is nearly the name of a setting.
	Warnings []string

	origins map[string]string
	later   map[string]func() []error // what is checked when all keys are read, by key
}

// An Account is one AWS account whose queries are asked for.
type Account struct {
	ID         string // 12 digits
	Name       string
	OU         string // path of its organizational unit, such as Root/Production
	Role       string // ARN; empty: AssumeRole's, or the own credentials
	ExternalID string // a secret: never printed
	Regions    []string
	Details    string // one of the Details constants; empty: as Config.Details
}

// Rates are API calls a second, for one account and region.
type Rates struct {
	BatchGetQueryExecution  float64
	GetSession              float64
	GetCalculationExecution float64
	ListTagsForResource     float64
	GetWorkGroup            float64
	LookupEvents            float64
}

// Caps are the most that is read of untrusted data, in bytes.
type Caps struct {
	RecordBytes       int64 // of one record's JSON
	FileInflatedBytes int64 // of one log file, inflated
}

// A Price is what AWS charges in a region from a day on: the entry as it was
// written, once it is checked. It has the fields of price.Override.
type Price struct {
	Region             string // such as eu-west-1, or * for every region without an entry of its own
	From               string // YYYY-MM-DD; empty for always
	SQLPerTB           string // a decimal; empty leaves the program's own, as below
	SparkPerDPUHour    string
	CapacityPerDPUHour string
	Currency           string // ISO 4217, such as EUR; empty for the region's own
}

// Options say where Load looks.
type Options struct {
	// File is the value of --config: a path, s3://bucket/key or ssm:/name.
	// Empty: ATHENATRAIL_CONFIG, else DefaultFile if it exists.
	File string

	// Environ is the environment as os.Environ returns it.
	Environ []string

	// Flags are those that stood on the command line.
	Flags []Flag

	// UserAgent is what AWS is told when the file is s3: or ssm:, such as
	// athenatrail/1.2.3.
	UserAgent string

	// OnlyFlags reads neither a file nor the environment.
	OnlyFlags bool
}

// A Flag is one setting of the command line.
type Flag struct {
	Key    string   // the key that it sets, such as sources
	Name   string   // as the user knows it, such as --source
	Values []string // more than one where the flag was repeated
}

// defaults are the settings that nobody made. Rates are half of what Athena
// allows an account in a region, because its own users need the rest; for
// calls whose quota is not documented, half of the lowest that is. Of LookupEvents it
// is all: that is two, its pace gives way by itself where others ask too, and
// 90 days of a busy account take hours as it is.
func defaults() *Config {
	return &Config{
		Lake:        "./athenatrail-lake",
		Details:     DetailsAPI,
		Lookback:    48 * time.Hour,
		Serve:       Serve{Listen: DefaultListen},
		Engine:      Engine{Name: EngineDuckDB, Database: "athenatrail", SystemTable: DefaultSystemTable},
		Rates:       Rates{BatchGetQueryExecution: 10, GetSession: 2.5, GetCalculationExecution: 2.5, ListTagsForResource: 2.5, GetWorkGroup: 2.5, LookupEvents: 2},
		Caps:        Caps{RecordBytes: 8_000_000, FileInflatedBytes: 1_000_000_000},
		PriceUnits:  UnitsBinary,
		ZeroByteDML: ZeroByteMinimum,
		QueryText:   string(redact.Full),
		Timezone:    time.UTC,
		Jobs:        min(runtime.GOMAXPROCS(0), maxJobs),
		origins:     map[string]string{},
		later:       map[string]func() []error{},

		Anomalies:    anomaly.Default(),
		LookupEvents: LookupEvents{Events: []string{"StartQueryExecution"}, Lateness: time.Hour},
	}
}

// envPrefix begins the names of our environment variables.
const envPrefix = "ATHENATRAIL_"

// Load reads and checks the configuration. What it finds wrong is one or more
// *Error, joined; a file that cannot be read is an error of its own.
func Load(ctx context.Context, o Options) (*Config, error) {
	c := defaults()
	if o.OnlyFlags {
		return c, errors.Join(c.applyFlags(o.Flags)...)
	}
	env := environment(o.Environ)
	name, explicit := o.File, true
	if name == "" {
		name = env[envPrefix+"CONFIG"]
	}
	if name == "" {
		name, explicit = DefaultFile, false
	}
	data, found, err := readFile(ctx, name, explicit, o, env)
	if err != nil {
		return nil, err
	}
	var wrong []error
	if found {
		c.File = name
		root, err := parseYAML(name, data)
		if err != nil {
			return nil, err
		}
		wrong = append(wrong, c.applyFile(root)...)
	}
	wrong = append(wrong, c.applyEnvironment(env)...)
	wrong = append(wrong, c.applyFlags(o.Flags)...)
	if len(wrong) == 0 {
		wrong = c.checkLater()
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	c.Warnings = misspelt(o.Environ)
	return c, nil
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && v != "" {
			env[k] = v
		}
	}
	return env
}

func (c *Config) applyFile(root node) (wrong []error) {
	if root.kind == kindNull {
		return []error{root.place.errorf("the file is empty: want version: 1")}
	}
	if root.kind != kindMapping {
		return []error{root.place.errorf("want keys with values, beginning with version: 1")}
	}
	version := false
	for _, f := range root.fields {
		if f.key == "version" {
			version = true
			if f.value.text != "1" {
				wrong = append(wrong, f.value.place.errorf("version %q: this athenatrail reads version 1", clip(f.value.text)))
			}
			continue
		}
		s, ok := settings[f.key]
		switch {
		case ok && f.value.kind == kindNull: // a key whose values are commented out
		case ok:
			wrong = append(wrong, s.set(c, f.key, f.value)...)
		default:
			wrong = append(wrong, f.place.errorf("%s", unknownKey(f.key, keys)))
		}
	}
	if !version {
		wrong = append(wrong, place{name: root.place.name, line: 1, column: 1}.errorf("no version: want version: 1"))
	}
	return wrong
}

func (c *Config) applyEnvironment(env map[string]string) (wrong []error) {
	for _, key := range keys {
		name := envName(key)
		text, ok := env[name]
		if !ok {
			continue
		}
		s := settings[key]
		n := node{kind: kindScalar, text: text, place: place{name: name}}
		switch s.form {
		case formList:
			n = listNode(n.place, splitList(text))
		case formTree:
			tree, err := parseYAML(name, []byte(text))
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			n = tree.relocate(n.place)
		}
		c.forget(key)
		wrong = append(wrong, s.set(c, key, n)...)
	}
	return wrong
}

func (c *Config) applyFlags(flags []Flag) (wrong []error) {
	for _, f := range flags {
		s, ok := settings[f.Key]
		if !ok || len(f.Values) == 0 {
			wrong = append(wrong, place{name: f.Name}.errorf("no such setting: %s", f.Key))
			continue
		}
		at := place{name: f.Name}
		n := node{kind: kindScalar, text: f.Values[len(f.Values)-1], place: at}
		if s.form == formList {
			n = listNode(at, f.Values)
		}
		c.forget(f.Key)
		wrong = append(wrong, s.set(c, f.Key, n)...)
	}
	return wrong
}

// forget drops the origins of what a stronger place is about to set: a list
// of accounts replaces the file's list whole. Rates, caps, retention,
// directory, catalog, serve and engine merge by key.
func (c *Config) forget(key string) {
	if key == "rates" || key == "caps" || key == "retention" || key == "directory" || key == "catalog" || key == "serve" || key == "engine" {
		return
	}
	for path := range c.origins {
		if path == key || strings.HasPrefix(path, key+"[") {
			delete(c.origins, path)
		}
	}
}

func listNode(at place, values []string) node {
	n := node{kind: kindList, place: at}
	for _, v := range values {
		n.items = append(n.items, node{kind: kindScalar, text: v, place: at})
	}
	return n
}

func splitList(text string) (values []string) {
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return values
}

// relocate gives a tree that stood in an environment variable its name.
func (n node) relocate(at place) node {
	n.place = at
	for i := range n.items {
		n.items[i] = n.items[i].relocate(at)
	}
	for i := range n.fields {
		n.fields[i].place = at
		n.fields[i].value = n.fields[i].value.relocate(at)
	}
	return n
}

func envName(key string) string { return envPrefix + strings.ToUpper(key) }
