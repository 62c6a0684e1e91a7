package carrier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/athenatrail/athenatrail/internal/notify"
)

// A bot sends by Slack's Web API.
type bot struct {
	to     string
	token  string
	client *slack.Client
}

func newSlack(s *notify.Slack, token string) *bot {
	options := []slack.Option{slack.OptionHTTPClient(&http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})}
	if s.API != "" {
		options = append(options, slack.OptionAPIURL(s.API))
	}
	token = strings.TrimSpace(token)
	return &bot{s.To, token, slack.New(token, options...)}
}

// nobodys are Slack's words for a person who cannot be written to.
var nobodys = []string{"users_not_found", "user_not_found", "user_disabled", "messages_tab_disabled", "cannot_dm_bot"}

// Send posts the letter to a conversation, or to the person whose address the
// letter has, whom users.lookupByEmail finds.
func (b *bot) Send(ctx context.Context, l *notify.Letter) (string, error) {
	to, who := b.to, b.to
	if to == notify.ToPerson {
		user, err := b.client.GetUserByEmailContext(ctx, l.To)
		if err != nil {
			return "", b.failed("look up who has the address", err)
		}
		if user.Deleted || user.IsBot {
			return "", &notify.Undeliverable{Err: errors.New("look up who has the address: the account is deactivated, or a bot's")}
		}
		to, who = user.ID, l.To+" ("+user.ID+")"
	}
	_, _, err := b.client.PostMessageContext(ctx, to,
		slack.MsgOptionText(l.Text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	if err != nil {
		return "", b.failed("post the message", err)
	}
	return who, nil
}

func (b *bot) failed(doing string, err error) error {
	var limited *slack.RateLimitedError
	var answer slack.SlackErrorResponse
	said := fmt.Errorf("slack: %s: %w", doing, without(err, b.token))
	switch {
	case errors.As(err, &limited):
		return &notify.Later{Err: said, After: limited.RetryAfter}
	case errors.As(err, &answer) && answer.Err == "missing_scope" && answer.Needed != "":
		return fmt.Errorf("slack: %s: the token lacks the scope %s", doing, answer.Needed)
	case errors.As(err, &answer) && slices.Contains(nobodys, answer.Err):
		return &notify.Undeliverable{Err: said}
	}
	return said
}

func (b *bot) check(ctx context.Context) (string, error) {
	who, err := b.client.AuthTestContext(ctx)
	if err != nil {
		return "", b.failed("ask whose the token is", err)
	}
	return fmt.Sprintf("the token is %s's in %s", who.User, who.Team), nil
}
