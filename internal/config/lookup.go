package config

import (
	"slices"
	"strings"
	"time"
)

// A LookupEvents says what the source lookup-events asks CloudTrail's event
// history for.
type LookupEvents struct {
	// Events are names of events. Each is asked for by calls of its own.
	Events []string

	// Lateness is how long after it happened an event is taken to be found
	// for certain: what was asked for sooner is asked for once more.
	Lateness time.Duration
}

// lookupEvents are the events that become facts: the calls of Athena, those of
// STS that issue credentials, and Lake Formation's access to a table.
var lookupEvents = []string{
	"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "BatchGetNamedQuery",
	"BatchGetPreparedStatement", "BatchGetQueryExecution", "CancelCapacityReservation", "CreateCapacityReservation",
	"CreateDataCatalog", "CreateNamedQuery", "CreateNotebook", "CreatePreparedStatement",
	"CreatePresignedNotebookUrl", "CreateWorkGroup", "DeleteCapacityReservation", "DeleteDataCatalog",
	"DeleteNamedQuery", "DeleteNotebook", "DeletePreparedStatement", "DeleteWorkGroup", "ExportNotebook",
	"GetCalculationExecution", "GetCalculationExecutionCode", "GetCalculationExecutionStatus",
	"GetCapacityAssignmentConfiguration", "GetCapacityReservation", "GetDataAccess", "GetDataCatalog",
	"GetDatabase", "GetFederationToken", "GetNamedQuery", "GetNotebookMetadata", "GetPreparedStatement",
	"GetQueryExecution", "GetQueryResults", "GetQueryResultsStream", "GetQueryRuntimeStatistics",
	"GetResourceDashboard", "GetSession", "GetSessionEndpoint", "GetSessionStatus", "GetSessionToken",
	"GetTableMetadata", "GetWorkGroup", "ImportNotebook", "ListApplicationDPUSizes", "ListCalculationExecutions",
	"ListCapacityReservations", "ListDataCatalogs", "ListDatabases", "ListEngineVersions", "ListExecutors",
	"ListNamedQueries", "ListNotebookMetadata", "ListNotebookSessions", "ListPreparedStatements",
	"ListQueryExecutions", "ListSessions", "ListTableMetadata", "ListTagsForResource", "ListWorkGroups",
	"PutCapacityAssignmentConfiguration", "StartCalculationExecution", "StartQueryExecution", "StartSession",
	"StopCalculationExecution", "StopQueryExecution", "TagResource", "TerminateSession", "UntagResource",
	"UpdateCapacityReservation", "UpdateDataCatalog", "UpdateNamedQuery", "UpdateNotebook",
	"UpdateNotebookMetadata", "UpdatePreparedStatement", "UpdateWorkGroup",
}

const maxLateness = 7 * 24 * time.Hour

func lookupEvent(text string) string {
	if slices.Contains(lookupEvents, text) {
		return ""
	}
	const want = "the name of an event that is made use of, such as StartQueryExecution, StartSession or AssumeRole"
	for _, known := range lookupEvents {
		if strings.EqualFold(known, text) {
			return known
		}
	}
	return want
}

func setLookupEvents(c *Config, path string, n node) []error {
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"events": func(c *Config, path string, n node) []error {
			events, wrong := texts(path, n, lookupEvent)
			for i, item := range n.items {
				if slices.ContainsFunc(n.items[:i], func(before node) bool { return before.text == item.text }) {
					wrong = append(wrong, item.place.errorf("%s: %s stands here twice", path, clip(item.text)))
				}
			}
			if len(events) == 0 && len(wrong) == 0 {
				wrong = append(wrong, n.place.errorf("%s: want at least one, such as StartQueryExecution", path))
			}
			c.LookupEvents.Events = events
			c.origins[path] = n.place.origin()
			return wrong
		},
		"lateness": one(func(c *Config, text string) string {
			d, ok := parseDuration(text)
			if !ok || d > maxLateness {
				return durationForms + ", at most 7d"
			}
			c.LookupEvents.Lateness = d
			return ""
		}),
	})
}

func showLookupEvents(c *Config) []shown {
	return []shown{
		{"lookup_events.events", strings.Join(c.LookupEvents.Events, ", ")},
		{"lookup_events.lateness", formatDuration(c.LookupEvents.Lateness)},
	}
}
