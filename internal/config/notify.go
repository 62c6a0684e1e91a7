package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// setNotify reads the channels, and tries their templates.
func setNotify(c *Config, path string, n node) []error {
	c.Notify = nil
	wrong := eachItem(path, n, func(path string, item node) []error {
		var ch notify.Channel
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"name":        word(&ch.Name),
			"url":         secret(&ch.URL),
			"sns":         word(&ch.SNS),
			"slack":       setSlack(&ch.Slack),
			"smtp":        setSMTP(&ch.SMTP),
			"kinds":       setKinds(&ch.Kinds),
			"limits":      patterns(&ch.Limits),
			"teams":       patterns(&ch.Teams),
			"quiet_hours": setQuietHours(&ch.Quiet),
			"templates":   setTemplates(&ch.Template),
			"sql":         yesOrNo(&ch.SQL),
			"how_to_ask":  word(&ch.HowToAsk),
		})
		if len(wrong) == 0 {
			for _, e := range ch.Check() {
				at := path
				if e.Field != "" {
					at += "." + e.Field
				}
				wrong = append(wrong, item.within(e.Field).errorf("%s: %s", at, e.Msg))
			}
			if slices.ContainsFunc(c.Notify, func(other notify.Channel) bool { return other.Name == ch.Name }) {
				wrong = append(wrong, item.at("name").errorf("%s: a channel called %s stands here twice", path, ch.Name))
			}
			if _, err := notify.NewRenderer(ch.Template); err != nil {
				wrong = append(wrong, item.at("templates").errorf("%s.templates: %v", path, err))
			}
		}
		c.Notify = append(c.Notify, ch)
		return wrong
	})
	c.later[path] = func() (wrong []error) {
		for i, ch := range c.Notify {
			if ch.Quiet != nil && ch.Quiet.Zone == nil {
				ch.Quiet.Zone = c.Timezone
			}
			if ch.SQL && c.QueryText == string(redact.FingerprintOnly) {
				wrong = append(wrong, n.items[i].at("sql").errorf("%s[%d].sql: there is no SQL to show, because query_text is %s", path, i, c.QueryText))
			}
		}
		return wrong
	}
	return wrong
}

func word(field *string) func(*Config, string, node) []error {
	return one(func(_ *Config, text string) string {
		*field = text
		return someText(text)
	})
}

// patterns reads a list that is not empty.
func patterns(field *[]string) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) (wrong []error) {
		c.origins[path] = n.place.origin()
		*field, wrong = texts(path, n, someText)
		if len(wrong) == 0 && len(*field) == 0 {
			wrong = append(wrong, n.place.errorf("%s: an empty list is for nothing: leave it out for all", path))
		}
		return wrong
	}
}

func yesOrNo(field *bool) func(*Config, string, node) []error {
	return one(func(_ *Config, text string) string {
		*field = text == "true"
		return oneOf("true", "false")(text)
	})
}

// secret does not repeat the value in its error.
func secret(field *notify.Secret) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		if n.kind != kindScalar || someText(n.text) != "" {
			return []error{n.place.errorf("%s: want one value: the secret, or where it is: env:NAME, file:PATH or ssm:/NAME", path)}
		}
		*field = notify.Secret(n.text)
		if kind, name := field.Source(); kind == "file" {
			*field = notify.Secret("file:" + besideFile(n.place, name))
		}
		c.origins[path] = n.place.origin()
		return nil
	}
}

func setSlack(into **notify.Slack) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		*into = new(notify.Slack)
		return eachField(c, path, n, map[string]func(*Config, string, node) []error{
			"token": secret(&(*into).Token), "to": word(&(*into).To), "api": word(&(*into).API),
		})
	}
}

func setSMTP(into **notify.SMTP) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		m := new(notify.SMTP)
		*into = m
		return eachField(c, path, n, map[string]func(*Config, string, node) []error{
			"server": word(&m.Server), "from": word(&m.From), "to": patterns(&m.To), "domains": patterns(&m.Domains),
			"username": word(&m.Username), "password": secret(&m.Password), "tls": word(&m.TLS),
		})
	}
}

func setKinds(into *[]notify.Kind) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		var names []string
		wrong := patterns(&names)(c, path, n)
		*into = nil
		for _, name := range names {
			*into = append(*into, notify.Kind(name))
		}
		return wrong
	}
}

func setQuietHours(into **notify.QuietHours) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		q := new(notify.QuietHours)
		*into = q
		hour := func(field *int) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				minutes, ok := notify.ParseClock(text)
				if !ok {
					return `a time of day in quotes, such as "20:00"`
				}
				*field = minutes
				return ""
			})
		}
		return eachField(c, path, n, map[string]func(*Config, string, node) []error{
			"from": hour(&q.From), "to": hour(&q.To), "weekends": yesOrNo(&q.Weekends), "except": setKinds(&q.Except),
			"timezone": one(func(_ *Config, text string) string {
				zone, err := time.LoadLocation(text)
				if err != nil || text == "" {
					return "a time zone such as UTC or Europe/Paris"
				}
				q.Zone = zone
				return ""
			}),
		})
	}
}

func setTemplates(t *notify.Templates) func(*Config, string, node) []error {
	file := func(field *string) func(*Config, string, node) []error {
		return func(c *Config, path string, n node) []error {
			return one(func(_ *Config, text string) string {
				*field = besideFile(n.place, text)
				return someText(text)
			})(c, path, n)
		}
	}
	return func(c *Config, path string, n node) []error {
		return eachField(c, path, n, map[string]func(*Config, string, node) []error{
			"subject": file(&t.Subject), "text": file(&t.Text), "html": file(&t.HTML),
		})
	}
}

func showNotify(c *Config) (lines []shown) {
	list := func(values []string) string { return strings.Join(values, ", ") }
	kinds := func(values []notify.Kind) string {
		var names []string
		for _, k := range values {
			names = append(names, string(k))
		}
		return list(names)
	}
	yes := func(b bool) string {
		if b {
			return "true"
		}
		return ""
	}
	for i, ch := range c.Notify {
		prefix := fmt.Sprintf("notify[%d].", i)
		lines = append(lines, given(prefix, "name", ch.Name, "url", ch.URL.Place(), "sns", ch.SNS)...)
		if s := ch.Slack; s != nil {
			lines = append(lines, given(prefix+"slack.", "token", s.Token.Place(), "to", s.To, "api", s.API)...)
		}
		if m := ch.SMTP; m != nil {
			lines = append(lines, given(prefix+"smtp.", "server", m.Server, "from", m.From, "to", list(m.To), "domains", list(m.Domains),
				"username", m.Username, "password", m.Password.Place(), "tls", m.TLS)...)
		}
		lines = append(lines, given(prefix, "kinds", kinds(ch.Kinds), "limits", list(ch.Limits), "teams", list(ch.Teams))...)
		if q := ch.Quiet; q != nil {
			prefix := prefix + "quiet_hours."
			if q.From != q.To {
				lines = append(lines, given(prefix, "from", notify.Clock(q.From), "to", notify.Clock(q.To))...)
			}
			lines = append(lines, given(prefix, "weekends", yes(q.Weekends), "timezone", q.Zone.String(), "except", kinds(q.Except))...)
		}
		lines = append(lines, given(prefix+"templates.", "subject", ch.Template.Subject, "text", ch.Template.Text, "html", ch.Template.HTML)...)
		lines = append(lines, given(prefix, "sql", yes(ch.SQL), "how_to_ask", ch.HowToAsk)...)
	}
	return lines
}

// maxSecret is the most that is read of a secret, in bytes.
const maxSecret = 64 << 10

// Secret returns what a secret of the configuration is, without white space
// around it. It is read each time, so that one that was changed holds at once.
// An error names where the secret is, and nothing of it.
func (c *Config) Secret(ctx context.Context, s notify.Secret, userAgent string) (string, error) {
	kind, name := s.Source()
	var (
		data []byte
		err  error
	)
	switch kind {
	case "":
		data = []byte(name)
	case "env":
		data = []byte(os.Getenv(name))
		if len(data) == 0 {
			err = errors.New("the variable is not set")
		}
	case "file":
		data, err = readDisk(name)
	case "ssm":
		o := Options{UserAgent: userAgent, Flags: []Flag{{Key: "regions", Values: c.Regions}}}
		if c.Profile != "" {
			o.Flags = append(o.Flags, Flag{Key: "profile", Values: []string{c.Profile}})
		}
		data, err = readSSM(ctx, name, o, nil)
	}
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
	case text == "":
		err = errors.New("it is empty")
	case len(text) > maxSecret || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = errors.New("want one line")
	}
	if err != nil {
		return "", fmt.Errorf("read the secret %s: %w", s.Place(), err)
	}
	return text, nil
}
