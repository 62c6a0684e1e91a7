package identity

import (
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// executorPrefix begins the names of the role sessions in which Athena runs a
// notebook; the Spark session's id follows (Athena User Guide, "CloudTrail and
// notebooks"). The role may be any that the work group names.
const executorPrefix = "AthenaExecutor-"

// notebookSession answers for what a notebook does: the person who started its
// session. A role session's name is free text, so anybody who may take a role
// can take one called like somebody's notebook; but credentials that Athena
// took for itself leave no record of an issue among the facts, and those that
// a person took do.
func notebookSession(c *call) answer {
	id, ok := strings.CutPrefix(c.session, executorPrefix)
	if !ok || id == "" {
		return no("not the session of a notebook", "")
	}
	start := c.known.Started(id)
	switch {
	case start == nil || start.Record == nil:
		return c.no("the StartSession of session %s is not in the lake", id)
	case c.depth >= maxDepth:
		return c.no("there are more than %d calls behind it", maxDepth)
	}
	r := *start.Record
	r.EventID = start.EventID
	c.tell(&r, "answered with session %s", id)
	switch {
	case r.EventTime.After(c.record.EventTime):
		return c.no("the StartSession of session %s was at %s, after the call", id, moment(r.EventTime))
	case c.record.AccountID() != "" && r.AccountID() != "" && r.AccountID() != c.record.AccountID():
		return c.no("the StartSession of session %s was in account %s, not in that of the call, %s", id, r.AccountID(), c.record.AccountID())
	}
	if issue, _ := c.issue(); issue != nil && typeOf(&issue.Identity) != typeAWSService {
		by := c.behind(issue.record())
		c.tell(by.record, "%s took %s", by.describe(), issue.took())
		return c.no("the credentials were issued to %s, not to Athena: the session is only called like a notebook's", by.describe())
	}
	starter := c.behind(&r)
	if starter.session == c.session {
		return c.no("the StartSession of session %s was called in that session itself", id)
	}
	rung, a := starter.climb(starters, nil)
	if rung == nil || a.kind == athenatrail.PersonService || a.kind == athenatrail.PersonUnknown {
		return c.no("the StartSession of session %s was called by %s, and nothing names the person behind that", id, starter.describe())
	}
	a.trust = ""
	if c.told != nil {
		a.text, a.detail = "called the StartSession of session "+id+" at "+moment(r.EventTime)+"; that person is known by "+rung.source+":", a.why()
	}
	return a
}

// moment writes a time for people.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
