package identity

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/athenatrail/athenatrail/internal/annotation"
)

// biTools are tools that ask for their users with a driver or an SDK of their
// own. SQL with the comment of one of them that comes by another way was
// copied out of it. Of a tool that the configuration names, nothing is known.
var biTools = []string{"redash", "metabase", "looker", "mode", "hex", "sigma", "lightdash", "thoughtspot", "superset", "grafana", "tableau", "powerbi"}

// queryComment answers by what a BI or pipeline tool wrote into the SQL.
// Anybody who can run a statement can write such a comment, or paste one. So
// it is asked only where the principal is a way in that many share, a role
// session or a shared IAM user, and not where a person types: in the console,
// in CloudShell, in a notebook.
func queryComment(c *call) answer {
	n := c.note
	switch {
	case n == nil:
		return no("the SQL has no comment of a tool, or is not known", "")
	case n.User == "":
		return c.no("the comment of %s at byte %d names nobody", toolOf(n), n.Offset)
	}
	c.tell(c.record, "the SQL at byte %d: %s", n.Offset, n.Comment)
	switch c.kind {
	case typeAssumedRole, typeRole:
	case typeIAMUser:
		if c.userName() == "" {
			return no("a comment may speak for a shared IAM user only, and the record does not name the user", "")
		}
	default:
		return c.no("a comment may speak for role sessions and shared IAM users only, not for %s", c.describe())
	}
	if byHand := c.byHand(); byHand != "" {
		return c.no("a person's own %s: the comment of %s at byte %d may be pasted", byHand, toolOf(n), n.Offset)
	}
	if way := c.detour(); way != "" && slices.Contains(biTools, n.Tool) {
		return c.no("the call came through %s, which %s does not use: its comment at byte %d was copied", way, n.Tool, n.Offset)
	}
	a := c.commentUser()
	if a.person != "" && c.told != nil {
		a.text, a.detail = "comment of "+toolOf(n)+" at byte "+strconv.Itoa(n.Offset), ""
	}
	return a
}

// toolOf names a note's tool for people.
func toolOf(n *annotation.Note) string { return cmp.Or(n.Tool, "an unnamed tool") }

// commentUser returns whom the comment names.
func (c *call) commentUser() answer {
	tool, user := c.note.Tool, c.note.User
	if len(user) > 320 || !printable(user) {
		return no("the comment's name for its user is no name", "")
	}
	// The id of a tool that knows its users by number stands behind the tool's
	// name, as in metabase:7; a name has no colon.
	prefix, id, isID := strings.Cut(user, ":")
	if !isID {
		prefix, id, isID = tool, user, only(user, isDigit) || isUUID(user)
	}
	if isID {
		if prefix != tool || !c.settings.directory.names(tool, id, c.on) {
			return c.no("the comment of %s at byte %d names user %s, whom the directory does not map on %s", toolOf(c.note), c.note.Offset, user, c.on)
		}
		return c.named(tool, id, "", "")
	}
	if !c.settings.directory.names(tool, user, c.on) {
		// Programs write <None> and the like where nobody was signed in.
		if made := madeName(user); made.maker != "" || strings.HasPrefix(user, "<") {
			return c.no("the comment of %s at byte %d names no person: %s", toolOf(c.note), c.note.Offset, user)
		}
	}
	return c.named(tool, user, "", "")
}

// byHand returns where a person types statements for themselves, if the call
// came from there.
func (c *call) byHand() string {
	r := c.record
	switch {
	case r.FromConsole || r.Identity.InvokedBy == "signin.amazonaws.com" || strings.HasPrefix(r.UserAgent, "Mozilla/"):
		return "console session"
	case execEnv(r.UserAgent) == "CloudShell":
		return "CloudShell"
	case strings.HasPrefix(c.session, executorPrefix):
		return "notebook"
	}
	return ""
}

// detour returns what sent the statement other than a driver or an SDK.
func (c *call) detour() string {
	if by := c.record.Identity.InvokedBy; by != "" && c.agent == "" && !slices.Contains(forwarders, by) {
		return by
	}
	if strings.HasPrefix(c.record.UserAgent, "aws-cli/") {
		return "the AWS CLI"
	}
	return ""
}
