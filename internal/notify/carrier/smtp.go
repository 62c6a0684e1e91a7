package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/notify"
)

// A mailer sends mail by one server.
type mailer struct {
	notify.SMTP
	password string
}

// Send mails the letter. Where the server refuses some of several recipients
// the others get it, and the refusal is a [*notify.Partly].
func (m *mailer) Send(ctx context.Context, l *notify.Letter) (string, error) {
	to := m.To
	if l.To != "" {
		to = []string{l.To}
	}
	for _, address := range to {
		if !notify.IsAddress(address) { // the protocol is lines of text
			return "", &notify.Undeliverable{Err: fmt.Errorf("mail to %q: not an address", address)}
		}
	}
	message, err := compose(m.From, to, l, time.Now())
	if err != nil {
		return "", err
	}
	client, err := m.connect(ctx)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.Mail(m.From); err != nil {
		return "", m.failed("send from "+m.From, err)
	}
	var taken []string
	var refused []error
	for _, address := range to {
		if err := client.Rcpt(address); err != nil {
			refused = append(refused, m.failed("send to "+address, err))
			continue
		}
		taken = append(taken, address)
	}
	if len(taken) == 0 {
		err := errors.Join(refused...)
		if l.To != "" && isPermanent(err) {
			return "", &notify.Undeliverable{Err: err}
		}
		return "", err
	}
	w, err := client.Data()
	if err != nil {
		return "", m.failed("send", err)
	}
	if _, err := w.Write(message); err != nil {
		return "", m.failed("send", err)
	}
	if err := w.Close(); err != nil { // the server's answer to the whole
		return "", m.failed("send", err)
	}
	client.Quit() // it has the mail, whatever it says to this
	if len(refused) > 0 {
		return strings.Join(taken, ", "), &notify.Partly{Err: errors.Join(refused...)}
	}
	return strings.Join(taken, ", "), nil
}

// connect opens a session that ends with ctx.
func (m *mailer) connect(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	dial := (&net.Dialer{}).DialContext
	if m.TLS == notify.ImplicitTLS {
		dial = (&tls.Dialer{Config: secure}).DialContext
	}
	conn, err := dial(ctx, "tcp", m.Server)
	if err != nil {
		return nil, m.failed("connect", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return nil, m.failed("connect", err)
	}
	if err := m.greet(client, secure); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

func (m *mailer) greet(client *smtp.Client, secure *tls.Config) error {
	if err := client.Hello(domainOf(m.From)); err != nil {
		return m.failed("connect", err)
	}
	if m.TLS == "" || m.TLS == notify.StartTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return fmt.Errorf("mail server %s: it offers no STARTTLS: set tls: none if the way to it is safe, or tls: tls if it speaks TLS from the start", m.Server)
		}
		if err := client.StartTLS(secure); err != nil {
			return m.failed("STARTTLS", err)
		}
	}
	if m.Username != "" {
		if err := client.Auth(smtp.PlainAuth("", m.Username, m.password, secure.ServerName)); err != nil {
			return m.failed("sign in", err)
		}
	}
	return nil
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

func (m *mailer) failed(doing string, err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		said := &textproto.Error{Code: answer.Code, Msg: answer.Msg}
		if m.password != "" {
			said.Msg = strings.ReplaceAll(said.Msg, m.password, "***")
		}
		return fmt.Errorf("mail server %s: %s: %w", m.Server, doing, said)
	}
	return fmt.Errorf("mail server %s: %s: %w", m.Server, doing, err)
}

// isPermanent reports whether the server said that no other attempt will do.
func isPermanent(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code/100 == 5
}

func (m *mailer) check(ctx context.Context) (string, error) {
	client, err := m.connect(ctx)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.Noop(); err != nil {
		return "", m.failed("ask", err)
	}
	client.Quit()
	if m.Username != "" {
		return "the mail server takes the password", nil
	}
	return "the mail server answers", nil
}
