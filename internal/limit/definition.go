package limit

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/glob"
)

// A Definition is a limit as the configuration has it, in its own words.
type Definition struct {
	Name    string
	Match   Match
	Per     string
	Measure string
	Window  string
	Amount  string

	// Timezone is that of the window and of the ends of exemptions; empty: the
	// configuration's.
	Timezone string

	Thresholds []string // such as "50%: notify"; none: DefaultThreshold
	Exempt     []Exempt
	Mode       string // empty: Observe

	// Cutoff is what one query of the work group may scan from a threshold
	// with the action cutoff on, in the words of an amount of bytes.
	Cutoff string

	// AllowShared lets the limit act upon what many use as one: a service's
	// role as a whole.
	AllowShared bool

	// AskForMore says, to whom the limit stops, how to ask for more.
	AskForMore string
}

// DefaultThreshold is what a limit has that names none.
const DefaultThreshold = "100%: notify"

// A Match holds patterns for columns of usage. A row matches if each of the
// columns that are given matches one of its patterns; without any, all do.
// What a row lacks matches no pattern, not even *.
type Match struct {
	Person     []string
	PersonKind []string
	Team       []string
	Role       []string // the role's name
	Account    []string // 12 digits
	WorkGroup  []string
	Database   []string // that a query names as its context
	Table      []string // catalog.database.table, or database.table in Glue's own catalog
	Tool       []string
}

// An Exempt takes rows out of a limit until a day begins.
type Exempt struct {
	Match
	Until  string // the first day on which it no longer holds
	Reason string
}

// fields are the columns that a Match has, as the configuration names them.
var fields = [...]struct {
	name string
	of   func(*Match) []string
	want func(string) string
}{
	{"person", func(m *Match) []string { return m.Person }, oneLine},
	{"person_kind", func(m *Match) []string { return m.PersonKind }, kindText},
	{"team", func(m *Match) []string { return m.Team }, oneLine},
	{"role", func(m *Match) []string { return m.Role }, roleText},
	{"account", func(m *Match) []string { return m.Account }, accountText},
	{"work_group", func(m *Match) []string { return m.WorkGroup }, oneLine},
	{"database", func(m *Match) []string { return m.Database }, oneLine},
	{"tool", func(m *Match) []string { return m.Tool }, oneLine},
	{"table", func(m *Match) []string { return m.Table }, tableText},
}

const (
	accountField = 4
	roleField    = 3
	groupField   = 5
	tableField   = 8 // compared with a list, not with a column
	noField      = len(fields)
)

// A FieldError says what is wrong with one field of a definition.
type FieldError struct {
	Index int    // of the definition, from 0
	Field string // such as amount or match.person[1]; empty when it is the definition as a whole
	Value string // the field's
	Want  string // what is wanted instead, or what is wrong with the whole
}

func (e *FieldError) Error() string {
	switch {
	case e.Field == "":
		return fmt.Sprintf("limits[%d]: %s", e.Index, e.Want)
	case e.Value == "":
		return fmt.Sprintf("limits[%d].%s: want %s", e.Index, e.Field, e.Want)
	}
	return fmt.Sprintf("limits[%d].%s %q: want %s", e.Index, e.Field, clip(e.Value), e.Want)
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Options are what limits share.
type Options struct {
	// Zone is that of definitions that name none, and LoadZone finds the
	// others, as time.LoadLocation does.
	Zone     *time.Location
	LoadZone func(name string) (*time.Location, error)

	// Protect are patterns of persons, names of roles, or ARNs of roles and
	// users, whom nobody acts upon.
	Protect []string
}

// Compile checks definitions and makes them ready. What is wrong is one
// *FieldError for each mistake, joined.
func Compile(definitions []Definition, o Options) (*Limits, error) {
	ls := Limits{protect: newProtected(o.Protect)}
	var wrong []error
	seen := map[string]int{}
	for i, d := range definitions {
		c := compiler{index: i, limit: &Limit{Name: d.Name}}
		c.compile(d, o)
		if first, twice := seen[d.Name]; twice && d.Name != "" {
			c.fail("name", d.Name, fmt.Sprintf("another name: limits[%d] has it", first))
		} else {
			seen[d.Name] = i
		}
		wrong = append(wrong, c.wrong...)
		ls.list = append(ls.list, c.limit)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return &ls, nil
}

// A compiler makes one limit, and gathers what is wrong with it.
type compiler struct {
	index int
	limit *Limit
	wrong []error
}

func (c *compiler) fail(field, value, want string) {
	c.wrong = append(c.wrong, &FieldError{c.index, field, value, want})
}

func (c *compiler) compile(d Definition, o Options) {
	l, zone := c.limit, o.Zone
	if !nameForm.MatchString(d.Name) {
		c.fail("name", d.Name, "a name of small letters, digits and hyphens, such as analysts-day")
	}
	l.Per = Per(c.word("per", d.Per, string(PerPerson), string(PerTeam), string(PerWorkGroup), string(PerAll)))
	l.Measure = Measure(c.word("measure", d.Measure, measures...))
	if l.Mode = Observe; d.Mode != "" {
		l.Mode = Mode(c.word("mode", d.Mode, string(Observe), string(Warn), string(Enforce)))
	}
	if d.Timezone != "" {
		in, err := o.LoadZone(d.Timezone)
		if err != nil {
			c.fail("timezone", d.Timezone, "a time zone such as UTC or Europe/Paris")
		} else {
			zone = in
		}
	}
	var want string
	if l.Window, want = parseWindow(d.Window, zone); want != "" {
		c.fail("window", d.Window, want)
	}
	if l.Measure != "" {
		if l.Amount, want = parseAmount(l.Measure, d.Amount); want != "" {
			c.fail("amount", d.Amount, want)
		}
	}
	l.match = c.match("match", &d.Match)
	c.thresholds(d.Thresholds)
	c.cutoff(d.Cutoff)
	l.AllowShared, l.AskForMore = d.AllowShared, d.AskForMore
	if want := oneLine(d.AskForMore); want != "" {
		c.fail("ask_for_more", d.AskForMore, want)
	}
	for i, e := range d.Exempt {
		c.exempt(fmt.Sprintf("exempt[%d]", i), e, zone)
	}
	c.measurable()
}

// word takes one of some words.
func (c *compiler) word(field, value string, words ...string) string {
	if slices.Contains(words, value) {
		return value
	}
	last := len(words) - 1
	c.fail(field, value, strings.Join(words[:last], ", ")+" or "+words[last])
	return ""
}

// measurable refuses what would match nothing ever, and decides what the limit
// is computed from.
func (c *compiler) measurable() {
	l := c.limit
	tables := l.match.fields[tableField]
	for i, e := range l.exempt {
		if e.match.fields[tableField] != nil {
			tables = nil // a row of a table's roll-up does not tell the query's other tables
			l.from = fromExecutions
		}
		if l.Measure == DPUTime {
			c.sparkless(fmt.Sprintf("exempt[%d].", i), &e.match)
		}
	}
	if l.Measure == DPUTime {
		c.sparkless("match.", &l.match)
	}
	switch {
	case l.Measure == QueryBytes, l.match.fields[tableField] != nil && !oneTable(tables):
		l.from = fromExecutions
	case tables != nil:
		l.from = fromTables
	}
}

// sparkless refuses fields that a Spark session does not have.
func (c *compiler) sparkless(prefix string, m *match) {
	for f, patterns := range m.fields {
		if name := fields[f].name; patterns != nil && (name == "table" || name == "database") {
			c.fail(prefix+name, "", "none beside measure dpu_time: a Spark session has no "+name)
		}
	}
}

// oneTable tells whether patterns are the name of one table.
func oneTable(patterns []glob.Pattern) bool {
	return len(patterns) == 1 && !strings.ContainsAny(patterns[0].String(), "*?")
}

func (c *compiler) match(prefix string, given *Match) (m match) {
	for f, field := range fields {
		for i, text := range field.of(given) {
			at := prefix + "." + field.name
			if len(field.of(given)) > 1 {
				at += fmt.Sprintf("[%d]", i)
			}
			if text == "" {
				c.fail(at, text, "a pattern, in which * and ? may stand")
				continue
			}
			if want := field.want(text); want != "" {
				c.fail(at, text, want)
				continue
			}
			if f == tableField && strings.Count(text, ".") == 1 {
				text = "awsdatacatalog." + text
			}
			m.fields[f] = append(m.fields[f], glob.New(text))
			m.texts[f] = append(m.texts[f], text)
		}
	}
	return m
}

func (c *compiler) thresholds(texts []string) {
	if len(texts) == 0 {
		texts = []string{DefaultThreshold}
	}
	for i, text := range texts {
		at := fmt.Sprintf("thresholds[%d]", i)
		t, want := parseThreshold(text)
		switch {
		case want != "":
			c.fail(at, text, want)
		case slices.Contains(c.limit.Thresholds, t):
			c.fail(at, text, "each threshold once")
		default:
			c.limit.Thresholds = append(c.limit.Thresholds, t)
		}
	}
	slices.SortFunc(c.limit.Thresholds, Threshold.compare)
}

// cutoff reads what a query may scan once the limit cuts off. It stands where a
// threshold asks for it, and there alone.
func (c *compiler) cutoff(text string) {
	l := c.limit
	at := slices.IndexFunc(l.Thresholds, func(t Threshold) bool { return t.Action == Cutoff })
	switch {
	case at < 0 && text == "":
		return
	case at < 0:
		c.fail("cutoff", text, "a threshold that asks for it, such as 100%: cutoff")
		return
	case l.Per != PerWorkGroup:
		c.fail("thresholds", l.Thresholds[at].String(), "per: work_group beside cutoff: Athena cuts off the queries of a work group")
	}
	amount, want := parseAmount(QueryBytes, text)
	if want == "" && amount.Value < leastCutoff {
		want = "10 MB (10^7 bytes) or more, the least that Athena takes"
	}
	if want != "" {
		c.fail("cutoff", text, want)
	}
	l.Cutoff = amount.Value
}

// leastCutoff is the least BytesScannedCutoffPerQuery (API reference,
// WorkGroupConfiguration).
const leastCutoff = 10_000_000

func (c *compiler) exempt(at string, given Exempt, zone *time.Location) {
	e := exemption{match: c.match(at, &given.Match), reason: given.Reason}
	if e.match.all() && len(c.wrong) == 0 {
		c.fail(at, "", "whom it is for, such as person: rosa@example.com")
	}
	if want := oneLine(given.Reason); given.Reason == "" || want != "" {
		c.fail(at+".reason", given.Reason, "why, in one line: whoever reads limits status will ask")
	}
	day, err := time.Parse(time.DateOnly, given.Until)
	if err != nil || day.Year() < 2000 || day.Year() > 2200 {
		c.fail(at+".until", given.Until, "the day on which it ends, such as 2026-11-03: an exemption without an end is another limit")
	} else {
		y, m, d := day.Date()
		e.until = Window{zone: zone}.day(y, m, d)
	}
	c.limit.exempt = append(c.limit.exempt, e)
}

// An Action is what a threshold asks for.
type Action string

// The actions, the mildest first.
const (
	Notify Action = "notify" // tell people
	Cutoff Action = "cutoff" // let one query of the work group scan less until the window ends
	Stop   Action = "stop"   // stop what runs
	Block  Action = "block"  // let nothing start until the window ends
)

var actions = []Action{Notify, Cutoff, Stop, Block}

// Acts tells whether the action keeps what runs, or would start, from running.
func (a Action) Acts() bool { return a == Stop || a == Block }

// A Threshold is an action to take at a percentage of what is allowed.
type Threshold struct {
	Percent int64
	Action  Action
}

func (t Threshold) String() string {
	return strconv.FormatInt(t.Percent, 10) + "%: " + string(t.Action)
}

func (t Threshold) compare(o Threshold) int {
	if t.Percent != o.Percent {
		return int(t.Percent - o.Percent)
	}
	return slices.Index(actions, t.Action) - slices.Index(actions, o.Action)
}

const thresholdForm = "a percentage from 1 to 1000 and notify, cutoff, stop or block, such as 50%: notify"

func parseThreshold(text string) (t Threshold, want string) {
	percent, action, ok := strings.Cut(text, ":")
	digits, hasSign := strings.CutSuffix(strings.TrimSpace(percent), "%")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 16)
	t = Threshold{int64(n), Action(strings.TrimSpace(action))}
	switch {
	case !ok || !hasSign || err != nil || n < 1 || n > 1000 || !slices.Contains(actions, t.Action):
		return t, thresholdForm
	case t.Action.Acts() && n < 100:
		return t, "100% or more before " + string(t.Action) + ": what is below is allowed; lower the amount instead"
	}
	return t, ""
}

// The functions below return what is wanted instead of a text, or "".

const maxPattern = 2048

func oneLine(s string) string {
	if len(s) > maxPattern || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("a text of one line and at most %d bytes", maxPattern)
	}
	return ""
}

func kindText(s string) string {
	if !slices.Contains([]string{"human", "service", "agent", "unknown"}, s) {
		return "human, service, agent or unknown"
	}
	return ""
}

func roleText(s string) string {
	if strings.ContainsAny(s, ":/") || oneLine(s) != "" {
		return "a role's name without ARN and path, in which * and ? may stand"
	}
	return ""
}

func accountText(s string) string {
	if digits := strings.Trim(s, "0123456789") == ""; strings.Trim(s, "0123456789*?") != "" || digits && len(s) != 12 {
		return "an account's 12 digits with their leading zeros, in which * and ? may stand"
	}
	return ""
}

func tableText(s string) string {
	if n := strings.Count(s, "."); n < 1 || n > 2 || oneLine(s) != "" || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
		return "a table as database.table or catalog.database.table, in which * and ? may stand"
	}
	return ""
}

// clip bounds what an error repeats of a value.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
