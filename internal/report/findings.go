package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
)

// What is grave enough to be found. Each is shown with its findings.
const (
	idleAtLeast   = time.Hour      // how long nothing ran in a session
	addressKnown  = 24 * time.Hour // how long before a session its starter's addresses count
	urlWithin     = 24 * time.Hour // how near a session of one's own has to be to a URL
	importDays    = 7              // how soon after an import a run counts
	roleDays      = 30             // of how many days before it the usual roles are taken
	deniedAtLeast = 5              // calls
	deniedWithin  = time.Hour

	maxEvidence = 10 // ids that a finding lists
)

// A Rule finds one thing that should be looked at. Its SQL is
// view/findings/ID.sql, one SELECT with the columns person, team, seen_at,
// what, times, cost, saving, currency, evidence, account_id and region_name,
// dated by seen_at.
type Rule struct {
	ID        string
	Severity  string // high, medium or low
	Threshold string // from when on it fires, for people
	Fix       string // what to change
}

// Severities, gravest first.
var severities = []string{"high", "medium", "low"}

var rules = allRules(notebookRules, queryRules)

var notebookRules = []Rule{
	{
		ID: "executor_outside", Severity: "high",
		Threshold: "1 call",
		Fix:       "terminate the session, revoke the execution role's sessions and see what else they called; deny the role outside Athena by its trust policy",
	},
	{
		ID: "import_role", Severity: "high",
		Threshold: fmt.Sprintf("1 session within %d days of the import, in a role not seen in the %d days before", importDays, roleDays),
		Fix:       "read what was imported; let the work group enforce its execution role, and restrict iam:PassRole",
	},
	{
		ID: "presigned_url", Severity: "high",
		Threshold: fmt.Sprintf("1 URL of another's session, or without a session of the notebook in the %d hours before", int(urlWithin.Hours())),
		Fix:       "ask both people; allow athena:CreatePresignedNotebookUrl to those alone who work in that work group",
	},
	{
		ID: "foreign_address", Severity: "medium",
		Threshold: fmt.Sprintf("1 call from an address that the session's starter did not call from in the %d hours before it", int(addressKnown.Hours())),
		Fix:       "ask the session's starter; if it was not them, end the session and their sign-in, and replace their credentials",
	},
	{
		ID: "foreign_notebook", Severity: "medium",
		Threshold: "1 export or deletion",
		Fix:       "ask both people; give teams work groups of their own, and allow ExportNotebook and DeleteNotebook in those alone",
	},
	{
		ID: "denied_calls", Severity: "medium",
		Threshold: fmt.Sprintf("%d denied calls within %d minutes", deniedAtLeast, int(deniedWithin.Minutes())),
		Fix:       "see report denied: grant what is needed, or find out who is trying",
	},
	{
		ID: "idle_session", Severity: "low",
		Threshold: fmt.Sprintf("%d minutes without a calculation", int(idleAtLeast.Minutes())),
		Fix:       "end sessions after work, and lower SessionIdleTimeoutInMinutes: 20 minutes are Athena's default",
	},
}

// Rules returns every rule, the gravest first.
func Rules() []Rule { return append([]Rule(nil), rules...) }

// thresholds are the constants above as the rules' SQL has them.
type thresholds struct {
	IdleMillis, ImportDays, RoleDays int
	DeniedBefore                     int // calls before the one that makes it enough
	AddressKnown, URLWithin          string
	DeniedWithin                     string
}

// Thresholds returns what the rules compare with.
func (*page) Thresholds() thresholds {
	seconds := func(d time.Duration) string { return fmt.Sprintf("INTERVAL '%d' SECOND", int(d.Seconds())) }
	return thresholds{
		IdleMillis: int(idleAtLeast.Milliseconds()), ImportDays: importDays, RoleDays: roleDays, DeniedBefore: deniedAtLeast - 1,
		AddressKnown: seconds(addressKnown), URLWithin: seconds(urlWithin), DeniedWithin: seconds(deniedWithin),
	}
}

// Findings writes the rules' SELECTs one below the other.
func (p *page) Findings() (string, error) {
	var b strings.Builder
	for _, r := range rules {
		if p.rule != "" && p.rule != r.ID {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("UNION ALL\n")
		}
		weight := 0
		for severities[weight] != r.Severity {
			weight++
		}
		fmt.Fprintf(&b, "SELECT %s AS rule, %s AS severity, %d AS weight, %s AS threshold, %s AS fix, found.* FROM (\n",
			quote(r.ID), quote(r.Severity), weight, quote(r.Threshold), quote(r.Fix))
		if err := templates[p.in].ExecuteTemplate(&b, r.ID+".sql", p); err != nil {
			return "", err
		}
		b.WriteString(") AS found\n")
	}
	return b.String(), nil
}

// A findingRow names the columns that a condition on findings can name.
type findingRow struct {
	Rule       string `parquet:"rule"`
	Severity   string `parquet:"severity"`
	Person     string `parquet:"person"`
	Team       string `parquet:"team"`
	AccountID  string `parquet:"account_id"`
	RegionName string `parquet:"region_name"`
}

func findingsView() View {
	return View{
		Name: "findings", Summary: "what should be looked at: repeats, waste, shared keys, idle sessions, foreign hands in notebooks, denied calls",
		Columns: columns(format.Column{Name: "severity", Kind: format.Text, Help: "high, medium or low"}, format.Column{Name: "rule", Kind: format.Text},
			help(person, "whom to ask: who did it, or whose session it is"), wide(team),
			format.Column{Name: "seen_at", Title: "when", Kind: format.Time, Help: "of the first call, or since when a session is idle"},
			format.Column{Name: "what", Kind: format.Text},
			wide(format.Column{Name: "times", Kind: format.Count, Help: "how many calls or executions"}),
			help(cost, "of what the finding is about, where it is about money"),
			format.Column{Name: "saving", Kind: format.Money, Help: "the part of the cost that the change would save, at most; empty where that cannot be told"}, currency,
			wide(format.Column{Name: "evidence", Kind: format.Text, Help: fmt.Sprintf("ids of executions, events and sessions, the first %d; athenatrail who explains each", maxEvidence)}),
			wide(format.Column{Name: "threshold", Kind: format.Text, Help: "from when on the rule fires"}),
			wide(format.Column{Name: "fix", Kind: format.Text, Help: "what to change"}), wide(account), wide(region)),
		source: "findings", Limit: manyRows,
	}
}

// evidenceOf returns an id where it is among those that are listed: place is
// its number within the finding.
func evidenceOf(id string) string {
	return fmt.Sprintf("CASE WHEN place <= %d THEN %s END", maxEvidence, id)
}

// isAddress returns whether a call came from an address, and not from a
// service, which CloudTrail names (sourceIPAddress: AWS Internal, or a name).
func isAddress(column string) string {
	return fmt.Sprintf("(coalesce(%[1]s, '') LIKE '%%:%%' OR coalesce(%[1]s, '') LIKE '%%.%%.%%.%%' AND coalesce(%[1]s, '') NOT LIKE '%%.amazonaws.com%%')", column)
}

// isExecutor tells whether a call was made by the code of a session.
const isExecutor = "(coalesce(role_session_name, '') LIKE 'AthenaExecutor-%')"

// isDesktop tells whether a call was made with what people have on their desks:
// a browser, AWS's command line, an SDK on macOS or Windows.
const isDesktop = "(console OR lower(coalesce(user_agent, '')) LIKE 'mozilla/%' OR lower(coalesce(user_agent, '')) LIKE 'aws-cli/%' OR lower(coalesce(user_agent, '')) LIKE '%darwin%'" +
	" OR lower(coalesce(user_agent, '')) LIKE '%macos%' OR lower(coalesce(user_agent, '')) LIKE '%windows%')"
