package carrier

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/notify"
)

// compose writes a mail: the text, and for clients that show it the HTML with
// its pictures, which come with the mail, because clients load nothing from
// elsewhere without asking and show no data: URLs.
//
//	multipart/alternative
//	    text/plain
//	    multipart/related
//	        text/html
//	        image/png, named by cid:
func compose(from string, to []string, l *notify.Letter, now time.Time) ([]byte, error) {
	var out bytes.Buffer
	body := multipart.NewWriter(&out)
	for _, h := range [][2]string{
		{"From", "athenatrail <" + from + ">"},
		{"To", strings.Join(to, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", l.Subject)},
		{"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", "<" + l.ID + "@" + domainOf(from) + ">"},
		{"MIME-Version", "1.0"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: no out-of-office replies
		{"Content-Type", "multipart/alternative; boundary=" + body.Boundary()},
	} {
		if strings.ContainsAny(h[1], "\r\n") && h[0] != "Subject" {
			return nil, fmt.Errorf("mail header %s: more than one line", h[0])
		}
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	out.WriteString("\r\n")
	if err := writeText(body, "text/plain", l.Text); err != nil {
		return nil, err
	}
	if err := writeHTML(body, l); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeText(into *multipart.Writer, kind, text string) error {
	part, err := into.CreatePart(textproto.MIMEHeader{
		"Content-Type": {kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
	})
	if err != nil {
		return err
	}
	w := quotedprintable.NewWriter(part)
	if _, err := io.WriteString(w, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		return err
	}
	return w.Close()
}

func writeHTML(body *multipart.Writer, l *notify.Letter) error {
	if len(l.Pictures) == 0 {
		return writeText(body, "text/html", l.HTML)
	}
	var out bytes.Buffer
	related := multipart.NewWriter(&out)
	if err := writeText(related, "text/html", l.HTML); err != nil {
		return err
	}
	for _, p := range l.Pictures {
		part, err := related.CreatePart(textproto.MIMEHeader{
			"Content-Type": {"image/png"}, "Content-Transfer-Encoding": {"base64"},
			"Content-Id": {"<" + p.Name + ">"}, "Content-Disposition": {`inline; filename="` + p.Name + `.png"`},
		})
		if err != nil {
			return err
		}
		if err := writeBase64(part, p.PNG); err != nil {
			return err
		}
	}
	if err := related.Close(); err != nil {
		return err
	}
	part, err := body.CreatePart(textproto.MIMEHeader{"Content-Type": {`multipart/related; type="text/html"; boundary=` + related.Boundary()}})
	if err != nil {
		return err
	}
	_, err = part.Write(out.Bytes())
	return err
}

// writeBase64 writes lines of 76 characters, as RFC 2045 wants them.
func writeBase64(w io.Writer, data []byte) error {
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 0 {
		n := min(len(text), 76)
		if _, err := io.WriteString(w, text[:n]+"\r\n"); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}
