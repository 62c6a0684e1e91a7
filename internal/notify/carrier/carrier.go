// Package carrier is how messages leave: by the services that shoutrrr knows,
// by SNS, by Slack's Web API and by mail. Where they go is in the
// administrator's configuration alone; nothing of it comes out of a trail but
// the address of a person, where the configuration allows that.
package carrier

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail/internal/notify"
)

// Options are what channels need of the program.
type Options struct {
	// Secret returns what a secret of the configuration is.
	Secret func(ctx context.Context, s notify.Secret) (string, error)

	// AWS returns the configuration of a client in a region, with the own
	// credentials.
	AWS func(ctx context.Context, region string) (aws.Config, error)
}

// Post makes a channel ready for use. What can be wrong with its templates is
// an error, as they are the administrator's; secrets are read when there is
// something to send.
func Post(ctx context.Context, c notify.Channel, o Options) (*notify.Post, error) {
	renderer, err := notify.NewRenderer(c.Template)
	if err != nil {
		return nil, fmt.Errorf("channel %s: template %w", c.Name, err)
	}
	p := &notify.Post{Channel: c, Renderer: renderer}
	p.Open = func(ctx context.Context) (notify.Sender, error) { return Open(ctx, c, o) }
	if c.URL != "" {
		p.Scheme = c.URL.Scheme()
		if kind, _ := c.URL.Source(); kind != "" {
			// The markup is the service's, so its name is needed before. A
			// secret that cannot be read is told when it is used.
			if text, err := o.Secret(ctx, c.URL); err == nil {
				p.Scheme = notify.Secret(text).Scheme()
			}
		}
	}
	return p, nil
}

// A checker can be asked whether its service would take a letter.
type checker interface {
	// check sends nothing. It returns what it found, in a few words.
	check(ctx context.Context) (string, error)
}

// Open returns the sender of a channel.
func Open(ctx context.Context, c notify.Channel, o Options) (notify.Sender, error) {
	switch {
	case c.URL != "":
		text, err := o.Secret(ctx, c.URL)
		if err != nil {
			return nil, err
		}
		return newService(text)
	case c.SNS != "":
		return newTopic(ctx, c.SNS, o)
	case c.Slack != nil:
		token, err := o.Secret(ctx, c.Slack.Token)
		if err != nil {
			return nil, err
		}
		return newSlack(c.Slack, token), nil
	case c.SMTP != nil:
		m := &mailer{SMTP: *c.SMTP}
		if c.SMTP.Password != "" {
			var err error
			if m.password, err = o.Secret(ctx, c.SMTP.Password); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return nil, errors.New("a channel without url, sns, slack or smtp")
}

// Check asks a channel's service whether it could be sent to, as far as that
// can be known without sending, and returns in a few words what it found.
func Check(ctx context.Context, c notify.Channel, o Options) (string, error) {
	sender, err := Open(ctx, c, o)
	if err != nil {
		return "", err
	}
	return sender.(checker).check(ctx)
}

// without returns err with nothing in its text of a secret, nor of a URL but
// its scheme: such errors are written into the lake, and printed.
func without(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, s := range secrets {
		for _, part := range parts(s) {
			text = strings.ReplaceAll(text, part, "***")
		}
	}
	return errors.New(anyURL.ReplaceAllString(text, "$1***"))
}

var anyURL = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s"'\\]+`)

// parts returns a secret and, if it is a URL, the parts of it that may be
// secret: all that are long enough to be.
func parts(secret string) []string {
	const shortest = 5
	list := []string{secret}
	if u, err := url.Parse(secret); err == nil && u.Scheme != "" {
		var inner []string
		if u.User != nil {
			password, _ := u.User.Password()
			inner = append(inner, u.User.Username(), password)
		}
		inner = append(inner, u.Host, u.Hostname(), u.Path)
		inner = append(inner, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '@' })...)
		inner = append(inner, strings.FieldsFunc(u.User.String()+"/"+u.Hostname(), func(r rune) bool { return strings.ContainsRune("/-:@", r) })...)
		for _, values := range u.Query() {
			inner = append(inner, values...)
		}
		for _, part := range inner {
			if len(part) >= shortest {
				list = append(list, part)
			}
		}
	}
	var kept []string
	for _, part := range list {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return kept
}
