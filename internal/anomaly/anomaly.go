// Package anomaly finds what costs far more than it usually does: a person, a
// role, a team or a table in an hour, on a day or in a week, and persons and
// databases that are new and at once expensive.
//
//	Settings + window -> Search <- Usage, TableUsage      what was used, and before
//	                     Search <- Execution              of the days that stand out
//	                     Search -> Anomalies              each told once
//
// It reads no clock and no file. What is usual is a robust median and
// deviation of the same hours or days before: see habit.go. It compares money,
// since bytes, time and Spark come down to it; what has no cost yet is not seen.
package anomaly

import (
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/glob"
)

// A Sensitivity says how far above its habit something must be.
type Sensitivity string

// Values of Sensitivity.
const (
	Low    Sensitivity = "low"
	Normal Sensitivity = "normal"
	High   Sensitivity = "high"
)

// scores are how many robust deviations each takes.
var scores = map[Sensitivity]float64{Low: 6, Normal: 4.5, High: 3.5}

// Sensitivities are the words for it.
func Sensitivities() []string { return []string{string(Low), string(Normal), string(High)} }

// What [Settings] hold where nobody says.
const (
	DefaultFloor    = 5 * athenatrail.MoneyScale
	DefaultLookback = 28 // days

	// Bounds of Settings.Lookback, in days. Two weeks are the least that has a
	// weekly rhythm.
	MinLookback = 14
	MaxLookback = 92
)

// Settings say what is looked for.
type Settings struct {
	// Floor is the least that something must cost above what is usual, in
	// whatever currency it costs.
	Floor       athenatrail.Money
	Sensitivity Sensitivity
	Lookback    int            // days before that tell what is usual
	Zone        *time.Location // in which hours and days are counted
	Holidays    []athenatrail.Date
	Ignore      Ignore
}

// Default returns the settings that nobody made.
func Default() Settings {
	return Settings{Floor: DefaultFloor, Sensitivity: Normal, Lookback: DefaultLookback, Zone: time.UTC}
}

// Ignore says by patterns what is not looked at. What matches one of the first
// four counts for nobody, so that it does not come back as its team. A table
// that is ignored is left out as a table alone.
type Ignore struct {
	Person, Role, Team, Database, Table []string
}

// ignored are compiled patterns of one field, with the answers so far.
type ignored struct {
	patterns []glob.Pattern
	known    map[string]bool
}

func newIgnored(texts []string) *ignored {
	g := &ignored{known: map[string]bool{}}
	for _, text := range texts {
		g.patterns = append(g.patterns, glob.New(text))
	}
	return g
}

func (g *ignored) match(name string) bool {
	if len(g.patterns) == 0 || name == "" {
		return false
	}
	answer, ok := g.known[name]
	if !ok {
		lower := glob.Lower(name)
		for i := range g.patterns {
			answer = answer || g.patterns[i].MatchLower(lower)
		}
		g.known[name] = answer
	}
	return answer
}

// A Kind is what a subject is.
type Kind string

// Values of Kind.
const (
	Person   Kind = "person"
	Role     Kind = "role"
	Team     Kind = "team"
	Table    Kind = "table"
	Database Kind = "database"
)

// A Subject is whom or what an anomaly is of.
type Subject struct {
	Kind     Kind
	Name     string
	Account  string // of a role and a table
	Region   string // of a table
	Currency string
}

// String is how people are told of a subject.
func (s Subject) String() string {
	name := clip(s.Name)
	if s.Kind == Person {
		return name
	}
	return string(s.Kind) + " " + name
}

// maxName bounds what a sentence shows of a name, in runes.
const maxName = 100

func clip(s string) string {
	if len(s) <= maxName {
		return s
	}
	runes := []rune(s)
	return string(runes[:min(len(runes), maxName-1)]) + "…"
}

// A Scale is over how long something stands out.
type Scale string

// Values of Scale.
const (
	Hours Scale = "hours"
	Day   Scale = "day"
	Week  Scale = "week" // seven days together, most of them above theirs
	New   Scale = "new"  // from the first use on
)

// Severity says how much an anomaly costs against the floor.
type Severity string

// Values of Severity.
const (
	Grave  Severity = "high"   // ten times the floor above what is usual
	Medium Severity = "medium" // three times
	Small  Severity = "low"
)

// An Anomaly is one thing that stands out, told once, at the narrowest subject
// that explains it.
type Anomaly struct {
	Subject  Subject
	Scale    Scale
	Severity Severity
	From, To time.Time // To is not included

	Cost   athenatrail.Money
	Usual  athenatrail.Money // at that time, the median
	Most   athenatrail.Money // that it came to before, in so long a time
	Others athenatrail.Money // of a new person: what nine of ten days of others cost at most
	Excess athenatrail.Money // Cost less Usual
	Score  float64           // robust deviations above the habit; 0 of what is new

	Bytes      int64
	Executions int64 // and sessions
	LookedBack int   // days of habit

	// Without are the days of a week that stand out of it by themselves: they
	// are not counted.
	Without []athenatrail.Date

	Also     []Subject // what it raises too, the narrowest first
	Evidence []string  // ids of the executions and sessions that cost most, at most [MaxEvidence]
	Text     string    // one sentence
}

// MaxEvidence is how many ids an anomaly lists.
const MaxEvidence = 10

// Usage is a row of usage_rollup, with the columns that a search needs.
type Usage struct {
	Slot             time.Time         `parquet:"slot,timestamp(millisecond:local)"`
	Person           string            `parquet:"person"`
	Team             string            `parquet:"team"`
	RoleName         string            `parquet:"role_name,optional"`
	AccountID        string            `parquet:"account_id"`
	RegionName       string            `parquet:"region_name"`
	DatabaseName     string            `parquet:"database_name,optional"`
	Currency         string            `parquet:"currency,optional"`
	Own              bool              `parquet:"own"`
	Executions       int64             `parquet:"executions"`
	DataScannedBytes int64             `parquet:"data_scanned_bytes"`
	Cost             athenatrail.Money `parquet:"cost,decimal(9:18)"`
}

// TableUsage is the same of table_rollup.
type TableUsage struct {
	TableName string `parquet:"table_name"`
	Written   bool   `parquet:"written"`

	Usage
}

// An Execution is a row of query_executions, or of sessions without tables,
// with the columns that a search needs.
type Execution struct {
	ID               string             `parquet:"query_execution_id,optional"`
	AccountID        string             `parquet:"account_id"`
	RegionName       string             `parquet:"region_name"`
	Person           string             `parquet:"person"`
	Team             string             `parquet:"team"`
	RoleName         string             `parquet:"role_name,optional"`
	DatabaseName     string             `parquet:"database_name,optional"`
	TablesAccessed   []string           `parquet:"tables_accessed,optional,list"`
	TablesWritten    []string           `parquet:"tables_written,optional,list"`
	Own              bool               `parquet:"own"`
	StartedAt        time.Time          `parquet:"submission_date_time,timestamp(millisecond:local)"`
	DataScannedBytes *int64             `parquet:"data_scanned_bytes,optional"`
	Cost             *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
	Currency         string             `parquet:"currency,optional"`
}

// Days are days of UTC, of which To is not included.
type Days struct{ From, To athenatrail.Date }
