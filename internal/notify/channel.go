package notify

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/glob"
)

// A Channel is one way to tell somebody, as the configuration has it. Exactly
// one of URL, SNS, Slack and SMTP is given.
type Channel struct {
	Name string

	URL   Secret // of a service, in the form of github.com/nicholas-fedor/shoutrrr
	SNS   string // the ARN of a topic
	Slack *Slack
	SMTP  *SMTP

	// Whom and what it is for: a message must match each that is given.
	Kinds  []Kind
	Limits []string // patterns of names of limits; messages without a limit match
	Teams  []string // patterns of teams

	Quiet    *QuietHours
	Template Templates

	// SQL shows the beginning of the SQL of the queries that a message names.
	SQL bool

	// HowToAsk says how to get more than a limit allows, in a sentence.
	HowToAsk string
}

// ToPerson is the recipient that means whom the message is about.
const ToPerson = "person"

// A Slack sends by Slack's Web API with a bot's token.
type Slack struct {
	Token Secret
	To    string // the id of a conversation, such as C0123456789; or ToPerson
	API   string // empty: https://slack.com/api/
}

// An SMTP sends mail.
type SMTP struct {
	Server   string // host:port
	From     string
	To       []string // addresses; or ToPerson alone
	Domains  []string // of persons who may be written to; * stands for any text
	Username string
	Password Secret
	TLS      string // one of the TLS constants; empty: StartTLS
}

// Values of SMTP.TLS.
const (
	StartTLS    = "starttls" // a server that does not offer it is refused
	ImplicitTLS = "tls"
	NoTLS       = "none" // and no password
)

// Templates are files that replace the built-in templates; empty: built in.
type Templates struct{ Subject, Text, HTML string }

// A Secret is a text that is never printed, or where it is: env:NAME,
// file:PATH or ssm:/NAME.
type Secret string

// Place returns what may be shown of a secret: where it is, or of one that
// stands there itself its scheme alone.
func (s Secret) Place() string {
	text := string(s)
	switch kind, _ := s.Source(); {
	case text == "" || kind != "":
		return text
	}
	const masked = "********"
	if scheme := s.Scheme(); scheme != "" {
		return scheme + "://" + masked
	}
	return masked
}

// String is Place, so that no format prints more.
func (s Secret) String() string { return s.Place() }

// GoString is Place.
func (s Secret) GoString() string { return s.Place() }

// MarshalText is Place.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Place()), nil }

// Scheme returns the scheme of a secret that is a URL, or "".
func (s Secret) Scheme() string {
	scheme, _, ok := strings.Cut(strings.TrimSpace(string(s)), "://")
	if !ok || !schemeForm.MatchString(scheme) {
		return ""
	}
	return scheme
}

// Source splits a secret that stands elsewhere into env, file or ssm and what
// is behind it. Kind is empty where the text is the secret itself.
func (s Secret) Source() (kind, name string) {
	kind, name, ok := strings.Cut(string(s), ":")
	if !ok || !slices.Contains([]string{"env", "file", "ssm"}, kind) {
		return "", string(s)
	}
	return kind, name
}

var (
	channelForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	schemeForm   = regexp.MustCompile(`^[a-z][a-z0-9]*(\+[a-z]+)?$`)
	topicForm    = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
	slackIDForm  = regexp.MustCompile(`^[CDGU][A-Z0-9]{2,30}$`)
	variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	domainForm   = regexp.MustCompile(`^[A-Za-z0-9*?]([A-Za-z0-9.*?-]{0,250}[A-Za-z0-9*?])?$`)
)

// A FieldError says what is wrong with a field of a channel.
type FieldError struct {
	Field string // such as smtp.from; empty when it is the channel as a whole
	Msg   string // repeats no secret
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// Check returns what is wrong with a channel.
func (c *Channel) Check() (wrong []*FieldError) {
	fail := func(field, format string, args ...any) {
		wrong = append(wrong, &FieldError{field, fmt.Sprintf(format, args...)})
	}
	if !channelForm.MatchString(c.Name) {
		fail("name", "want a name of small letters, digits and hyphens, at most 40, such as data-platform")
	}
	ways := 0
	for _, given := range []bool{c.URL != "", c.SNS != "", c.Slack != nil, c.SMTP != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		fail("", "want one of url, sns, slack and smtp")
	}
	if c.URL != "" {
		if msg := checkURL(c.URL); msg != "" {
			fail("url", "%s", msg)
		}
	}
	if c.SNS != "" && !topicForm.MatchString(c.SNS) {
		fail("sns", "want the ARN of a topic such as arn:aws:sns:eu-west-1:111122223333:athena-limits")
	}
	if c.Slack != nil {
		c.Slack.check(fail)
	}
	if c.SMTP != nil {
		c.SMTP.check(fail)
	}
	for _, k := range c.Kinds {
		if !slices.Contains(Kinds, k) {
			fail("kinds", "%q: want one of %s", clip(string(k)), kindList())
		}
	}
	if c.Quiet != nil {
		if msg := c.Quiet.check(); msg != "" {
			fail("quiet_hours", "%s", msg)
		}
	}
	return wrong
}

func kindList() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func checkSecret(s Secret) string {
	switch kind, name := s.Source(); {
	case kind == "env" && !variableForm.MatchString(name):
		return "want env: and the name of an environment variable"
	case kind == "file" && name == "":
		return "want file: and a path"
	case kind == "ssm" && (!strings.HasPrefix(name, "/") || len(name) < 2):
		return "want ssm: and a parameter's name, which begins with a slash"
	}
	return ""
}

// checkURL returns what is wrong with a service's URL. It repeats nothing of it
// but its scheme.
func checkURL(s Secret) string {
	if kind, _ := s.Source(); kind != "" {
		return checkSecret(s)
	}
	return CheckURL(string(s))
}

// CheckURL returns what is wrong with a service's URL, or "". It repeats
// nothing of the URL but its scheme.
func CheckURL(text string) string {
	scheme, _, ok := strings.Cut(text, "://")
	switch {
	case !ok || !schemeForm.MatchString(scheme):
		return "want a URL such as slack://..., or where it is: env:NAME, file:PATH, ssm:/NAME"
	case scheme == "http" || scheme == "https":
		return fmt.Sprintf("scheme %s: want a service's, such as slack://; a plain webhook is generic+%s://", scheme, scheme)
	}
	service, _, _ := strings.Cut(scheme, "+")
	if _, known := services[service]; !known {
		return fmt.Sprintf("scheme %q: want one of %s", clip(scheme), strings.Join(Services(), ", "))
	}
	if _, err := url.Parse(text); err != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "not a URL that can be read (it is not repeated here, because it holds a secret): want it as docs/notifications.md has it"
	}
	return ""
}

func (s *Slack) check(fail func(string, string, ...any)) {
	switch {
	case s.Token == "":
		fail("slack", "no token: want where the bot's token is, such as file:/run/secrets/slack")
	case checkSecret(s.Token) != "":
		fail("slack.token", "%s", checkSecret(s.Token))
	}
	if s.To != ToPerson && !slackIDForm.MatchString(s.To) {
		fail("slack.to", "want person, or the id of a conversation such as C0123456789")
	}
	if s.API != "" {
		if u, err := url.Parse(s.API); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || !strings.HasSuffix(u.Path, "/") {
			fail("slack.api", "want the beginning of the Web API's URLs, such as https://slack.com/api/")
		}
	}
}

func (s *SMTP) check(fail func(string, string, ...any)) {
	if host, port, err := net.SplitHostPort(s.Server); err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" {
		fail("smtp.server", "want host:port, such as mail.example.com:587")
	}
	if !IsAddress(s.From) {
		fail("smtp.from", "want one address, such as athenatrail@example.com")
	}
	switch {
	case len(s.To) == 0:
		fail("smtp", "no to: want addresses, or person")
	case slices.Equal(s.To, []string{ToPerson}):
		if len(s.Domains) == 0 {
			// Whoever takes a role chooses the session's name.
			fail("smtp", "to person without domains: want those that mail may go to, such as example.com, because the name of a session may be any address")
		}
	default:
		for _, to := range s.To {
			if !IsAddress(to) {
				fail("smtp.to", "%q: want addresses such as team@example.com, or person alone", clip(to))
			}
		}
	}
	for _, d := range s.Domains {
		if !domainForm.MatchString(d) {
			fail("smtp.domains", "%q: want what stands behind the @, such as example.com", clip(d))
		}
	}
	switch s.TLS {
	case "", StartTLS, ImplicitTLS:
	case NoTLS:
		if s.Password != "" {
			fail("smtp.tls", "none: a password is not sent without TLS")
		}
	default:
		fail("smtp.tls", "%q: want %s, %s or %s", clip(s.TLS), StartTLS, ImplicitTLS, NoTLS)
	}
	if (s.Username == "") != (s.Password == "") {
		fail("smtp", "username and password belong together")
	}
	if msg := checkSecret(s.Password); msg != "" {
		fail("smtp.password", "%s", msg)
	}
}

// IsAddress reports whether text is one plain e-mail address and nothing else:
// no name beside it, no second one, nothing that a mail's header could take
// for its end.
func IsAddress(text string) bool {
	if len(text) > 254 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) }) {
		return false
	}
	a, err := mail.ParseAddress(text)
	return err == nil && a.Name == "" && a.Address == text
}

// Direct reports whether the channel tells persons what is about themselves.
func (c *Channel) Direct() bool {
	return c.Slack != nil && c.Slack.To == ToPerson || c.SMTP != nil && slices.Equal(c.SMTP.To, []string{ToPerson})
}

// recipient returns whom a message goes to on the channel: on one that is
// direct the person's address, on others nobody in particular. It reports
// false if the channel is not for the message.
func (c *Channel) recipient(m *Message) (string, bool) {
	if len(c.Kinds) > 0 && !slices.Contains(c.Kinds, m.Kind) && m.Kind != Test {
		return "", false
	}
	if m.Kind == Test {
		return m.Person, !c.Direct() || m.Person != "" && c.mayWrite(m.Person)
	}
	if m.Limit != "" && !matches(c.Limits, m.Limit) || len(c.Teams) > 0 && !matches(c.Teams, m.Team) {
		return "", false
	}
	if !c.Direct() {
		return "", true
	}
	return m.Person, c.mayWrite(m.Person)
}

// mayWrite reports whether a person of a direct channel can be written to.
func (c *Channel) mayWrite(person string) bool {
	if !IsAddress(person) {
		return false
	}
	if c.SMTP == nil {
		return true // Slack knows its own people
	}
	_, domain, _ := strings.Cut(person, "@")
	return matches(c.SMTP.Domains, domain)
}

// matches reports whether one of patterns matches, or there are none.
func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		pattern := glob.New(p)
		return pattern.Match(name)
	})
}

// clip bounds what an error repeats of a value.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
