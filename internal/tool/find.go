package tool

import (
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A finding looks for a record's line. What can be told cheaply is looked at
// first, and nothing is looked at that could not win any more.
type finding struct {
	record *athenatrail.Record
	best   int    // the line that wins so far
	saw    string // what in the record matched it
	after  string // what follows the line's text there
	app    string // the user agent's app/NAME
}

const none = len(table)

// take notes line i, unless a line above it was found.
func (f *finding) take(i int, saw, after string) {
	if i < f.best {
		f.best, f.saw, f.after = i, saw, after
	}
}

func (f *finding) look() {
	r := f.record
	if r.EventType != "AwsApiCall" && r.EventType != "" {
		for _, i := range of[eventType] {
			if table[i].text == r.EventType {
				f.take(i, r.EventType, "")
			}
		}
	}
	agent := strings.TrimSuffix(strings.TrimPrefix(r.UserAgent, "["), "]")
	byAgent := f.service(agent, false)
	f.service(r.Identity.InvokedBy, true)
	f.service(r.SourceIP, false)
	if !byAgent {
		f.agent(agent)
	}
	f.names()
	if s := &r.Identity.InScopeOf; s.CredentialsIssuedTo != "" || s.SourceARN != "" {
		for _, i := range of[scope] {
			for _, arn := range [...]string{s.CredentialsIssuedTo, s.SourceARN} {
				if _, after, ok := strings.Cut(arn, table[i].text); ok {
					f.take(i, arn, after)
				}
			}
		}
	}
	if r.FromConsole {
		for _, i := range of[fromConsole] {
			f.take(i, "", "")
		}
	}
	for _, i := range of[beginning] {
		if strings.HasPrefix(agent, table[i].text) {
			f.take(i, agent, "")
		}
	}
	for _, i := range of[anywhere] {
		if i > f.best {
			break
		}
		if at := strings.Index(agent, table[i].text); at >= 0 {
			f.take(i, wordAt(agent, at), "")
		}
	}
}

// service looks at a field that may name a service of AWS, and reports whether
// it does.
func (f *finding) service(host string, invokes bool) bool {
	const internal = "AWS Internal"
	name, ok := serviceName(host)
	if !ok && host != internal {
		return false
	}
	if ok {
		for _, i := range of[service] {
			if table[i].text == name {
				f.take(i, host, "")
			}
		}
		if invokes {
			for _, i := range of[invoker] {
				f.take(i, host, "")
			}
		}
	}
	for _, i := range of[anyService] {
		f.take(i, host, "")
	}
	return true
}

// serviceName returns the first label of a service's DNS name, such as
// states.amazonaws.com; a region may follow it, and China has its own domain.
func serviceName(host string) (string, bool) {
	rest, china := strings.CutSuffix(host, ".amazonaws.com.cn")
	if !china {
		var ok bool
		if rest, ok = strings.CutSuffix(host, ".amazonaws.com"); !ok {
			return "", false
		}
	}
	for i := range len(rest) {
		if c := rest[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '.' {
			return "", false
		}
	}
	name, _, _ := strings.Cut(rest, ".")
	return name, name != ""
}

// agent looks at the user agent's words.
func (f *finding) agent(agent string) {
	for agent != "" {
		var word string
		word, agent = nextWord(agent)
		name, isApp := strings.CutPrefix(word, "app/")
		if isApp {
			if f.app == "" {
				f.app = name
			}
			for _, i := range of[app] {
				f.word(i, name)
			}
		} else {
			name = strings.TrimPrefix(word, "md/")
		}
		if name == "" {
			continue
		}
		for _, i := range products[name[0]] {
			if i >= f.best {
				break
			}
			f.word(i, name)
		}
	}
}

func (f *finding) word(i int, word string) {
	text := table[i].text
	if after, ok := cutPrefixFold(word, text); ok && (after == "" || !isLetter(after[0]) || !isLetter(text[len(text)-1])) {
		f.take(i, word, after)
	}
}

// nextWord returns a user agent's next word and the rest.
func nextWord(s string) (word, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// wordAt returns the words of a user agent around an offset, to the spaces.
func wordAt(agent string, at int) string {
	start := strings.LastIndexByte(agent[:at], ' ') + 1
	if end := strings.IndexByte(agent[at:], ' '); end >= 0 {
		return agent[start : at+end]
	}
	return agent[start:]
}

// names looks at the names of the role and of its session.
func (f *finding) names() {
	id := &f.record.Identity
	roleName, sessionName := roleSession(id)
	if roleName != "" {
		for _, i := range of[role] {
			if after, ok := cutPrefixFold(roleName, table[i].text); ok {
				f.take(i, roleName, after)
			}
		}
	}
	if sessionName == "" || strings.HasPrefix(roleName, "AWSReservedSSO_") {
		return // who signs in through Identity Center has a user's name, whatever it is
	}
	for _, i := range sessions[sessionName[0]] {
		if i >= f.best {
			break
		}
		after, ok := cutPrefixFold(sessionName, table[i].text)
		if ok && (table[i].look == session || after == "" || strings.IndexByte("-_.", after[0]) >= 0 && strings.IndexByte(after, '@') < 0) {
			f.take(i, sessionName, after)
		}
	}
}

// roleSession returns the names of a role and its session, from
// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, else from the issuer and
// principalId, ID:SESSION.
func roleSession(id *athenatrail.Identity) (roleName, sessionName string) {
	if id.Type != "AssumedRole" && id.Type != "Role" && id.Type != "" && id.Type != "Unknown" {
		return "", ""
	}
	if _, rest, ok := strings.Cut(id.ARN, ":assumed-role/"); ok {
		roleName, sessionName, _ = strings.Cut(rest, "/")
		return roleName, sessionName
	}
	if id.Type != "AssumedRole" {
		return "", ""
	}
	_, sessionName, _ = strings.Cut(id.PrincipalID, ":")
	return id.Issuer.UserName, sessionName
}

// detail returns the detail of the line that won, not yet bounded.
func (f *finding) detail(l *line) string {
	switch l.detail {
	case appName:
		return f.app
	case dagKey:
		return f.dagRun()
	case server:
		return firstPart(f.after)
	case function:
		return f.function(l)
	case rest:
		return f.after
	case seen:
		return f.saw
	}
	return ""
}

// dagRun returns Airflow's DagRunKey. It is all zeros where Airflow does not
// know the DAG.
func (f *finding) dagRun() string {
	_, key, ok := strings.Cut(f.record.UserAgent, "DagRunKey/")
	if !ok {
		return ""
	}
	key, _ = nextWord(strings.TrimSuffix(key, "]"))
	if strings.Trim(key, "0-") == "" {
		return ""
	}
	return key
}

// function returns the name of a Lambda function: from the ARN that the session
// was made for, FUNCTION[:ALIAS], else it is the session's own name, unless an
// SDK made that for a role assumed on the way.
func (f *finding) function(l *line) string {
	if l.look == scope {
		name, _, _ := strings.Cut(f.after, ":")
		return name
	}
	_, name := roleSession(&f.record.Identity)
	for _, made := range sdkSessions {
		if strings.HasPrefix(name, made) {
			return ""
		}
	}
	digits := true
	for i := range len(name) {
		c := name[i]
		digits = digits && isDigit(c)
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return ""
		}
	}
	if digits || len(name) > 64 {
		return ""
	}
	return name
}

// sdkSessions begin the names that SDKs give to the sessions of roles that
// they assume.
var sdkSessions = []string{"botocore-session-", "aws-go-sdk-", "aws-sdk-", "aws-dotnet-sdk-session-", "default_session", "web-identity-token-", "assume-role-from-profile-"}

// firstPart returns /NAME/VERSION's or #NAME#VERSION's name.
func firstPart(s string) string {
	s = strings.TrimLeft(s, "/#")
	if i := strings.IndexAny(s, "/#"); i >= 0 {
		s = s[:i]
	}
	return s
}

// cutPrefixFold is [strings.CutPrefix] for a prefix in lower case, for ASCII
// letters without case. Most of the table's texts begin alike, so the last
// byte is looked at first.
func cutPrefixFold(s, prefix string) (string, bool) {
	n := len(prefix)
	if len(s) < n || lower(s[n-1]) != prefix[n-1] {
		return s, false
	}
	for i := range n - 1 {
		if lower(s[i]) != prefix[i] {
			return s, false
		}
	}
	return s[n:], true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// of holds the lines of each look. Those of products and of sessions' names
// are apart by the letter that they begin with, in both cases.
var of, products, sessions = func() (of [comment + 1][]int, products, sessions [256][]int) {
	letter := func(by *[256][]int, i int) {
		c := table[i].text[0]
		by[c] = append(by[c], i)
		by[c-'a'+'A'] = append(by[c-'a'+'A'], i)
	}
	for i := range table {
		switch l := table[i].look; l {
		case product:
			letter(&products, i)
		case session, sessionWord:
			letter(&sessions, i)
		default:
			of[l] = append(of[l], i)
		}
	}
	return of, products, sessions
}()
