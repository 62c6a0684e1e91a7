package demo

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// A writer appends JSON members in the order they are given, which is the
// order that CloudTrail has for each kind of record.
type writer []byte

func (w *writer) name(name string) {
	if n := len(*w); n > 0 && (*w)[n-1] != '{' && (*w)[n-1] != '[' {
		*w = append(*w, ',')
	}
	if name != "" {
		*w = append(appendString(*w, name), ':')
	}
}

// open begins an object: a member, or without a name an element.
func (w *writer) open(name string) { w.name(name); *w = append(*w, '{') }
func (w *writer) close()           { *w = append(*w, '}') }

func (w *writer) text(name, value string) { w.name(name); *w = appendString(*w, value) }

// raw writes a value that is JSON already.
func (w *writer) raw(name, json string) { w.name(name); *w = append(*w, json...) }

func (w *writer) bool(name string, v bool) { w.name(name); *w = strconv.AppendBool(*w, v) }

// appendString quotes s. It leaves the rest of Unicode as it is, as CloudTrail
// does, and replaces what is not UTF-8.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError {
				i += size
				continue
			}
		}
		b = append(b, s[from:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c >= utf8.RuneSelf:
			b = append(b, `\ufffd`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += size
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// object returns a JSON object of texts: name, value, name, value.
func object(members ...string) string {
	var w writer
	w.open("")
	for i := 0; i < len(members); i += 2 {
		w.text(members[i], members[i+1])
	}
	w.close()
	return string(w)
}

const (
	athenaSource = "athena.amazonaws.com"
	stsSource    = "sts.amazonaws.com"
)

// An event is one record, before it is written.
type event struct {
	at        time.Time // eventTime, whole seconds
	id        string
	request   string // requestID
	account   string // recipientAccountId
	region    string
	source    string
	name      string
	kind      string // eventType; empty: AwsApiCall
	identity  string // JSON
	ip, agent string
	errorCode string
	errorText string
	params    string // JSON; empty: null
	response  string // JSON; empty: null
	more      string // additionalEventData as JSON
	resources string // JSON
	shared    string // sharedEventID
	addendum  string // JSON
	endpoint  string // vpcEndpointId
	readOnly  bool
	console   bool // sessionCredentialFromConsole
	forwarded bool // by an AWS service: no tlsDetails

	late   time.Duration // how much later than usual it is delivered
	copies int           // delivered this many times more, in other files
}

// appendRecord writes the record in CloudTrail's order of fields.
func (e *event) appendRecord(b []byte) []byte {
	w := writer(b)
	w = append(w, `{"eventVersion":"1.11","userIdentity":`...)
	w = append(w, e.identity...)
	w = append(w, `,"eventTime":"`...)
	w = append(e.at.UTC().AppendFormat(w, time.RFC3339), '"')
	w.text("eventSource", e.source)
	w.text("eventName", e.name)
	w.text("awsRegion", e.region)
	w.text("sourceIPAddress", e.ip)
	if e.agent != "" {
		w.text("userAgent", e.agent)
	}
	if e.errorCode != "" {
		w.text("errorCode", e.errorCode)
		w.text("errorMessage", e.errorText)
	}
	w.raw("requestParameters", orNull(e.params))
	w.raw("responseElements", orNull(e.response))
	if e.more != "" {
		w.raw("additionalEventData", e.more)
	}
	w.text("requestID", e.request)
	w.text("eventID", e.id)
	w.bool("readOnly", e.readOnly)
	if e.resources != "" {
		w.raw("resources", e.resources)
	}
	kind := e.kind
	if kind == "" {
		kind = "AwsApiCall"
	}
	w.text("eventType", kind)
	w.bool("managementEvent", true)
	w.text("recipientAccountId", e.account)
	if e.shared != "" {
		w.text("sharedEventID", e.shared)
	}
	if e.addendum != "" {
		w.raw("addendum", e.addendum)
	}
	if e.endpoint != "" {
		w.text("vpcEndpointId", e.endpoint)
		w.text("vpcEndpointAccountId", e.account)
	}
	w.text("eventCategory", "Management")
	if !e.forwarded && e.errorCode == "" {
		w.raw("tlsDetails", object("tlsVersion", "TLSv1.3", "cipherSuite", "TLS_AES_128_GCM_SHA256",
			"clientProvidedHostHeader", hostPrefix(e.source)+"."+e.region+".amazonaws.com"))
	}
	if e.console {
		w.text("sessionCredentialFromConsole", "true")
	}
	w.close()
	return w
}

func orNull(json string) string {
	if json == "" {
		return "null"
	}
	return json
}

func hostPrefix(source string) string {
	for i := range len(source) {
		if source[i] == '.' {
			return source[:i]
		}
	}
	return source
}
