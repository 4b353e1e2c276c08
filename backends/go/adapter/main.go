// Answers questions about hotcable.go, a JSON line each: see README.md
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"hotcable"
)

type question struct {
	Do, Stream, Position, Action, HTML, URL, Key, Secret string
	Nonce                                                string
	Drive                                                *bool
	Accept, Exclude, Latest, Authorization, Body         string
	Allow                                                any
	Transient, Reconnect                                 bool
	Target                                               *string
	Streams, Publications                                []string
	Identity, Attributes                                 json.RawMessage // in the order of their keys
	Now, TTL                                             *int64
	ExpiresIn                                            *int64 `json:"expires_in"`
	Timeout                                              float64
	Retries                                              int
}

func main() {
	for lines := bufio.NewReader(os.Stdin); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var ask question
		answer := map[string]any{}
		if err = json.Unmarshal(line, &ask); err == nil {
			answer["result"], err = ask.answer()
		}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}

func (ask question) answer() (string, error) {
	options := []hotcable.Option{hotcable.Secret(ask.Secret), hotcable.URL(ask.URL), hotcable.Key(ask.Key),
		hotcable.Retries(ask.Retries), hotcable.Exclude(ask.Exclude), hotcable.Transient(ask.Transient),
		hotcable.Latest(ask.Latest),
		hotcable.Timeout(time.Duration(ask.Timeout * float64(time.Second)))}
	if ask.Now != nil {
		options = append(options, hotcable.Now(time.Unix(*ask.Now, 0)))
	}
	if ask.TTL != nil {
		options = append(options, hotcable.TTL(time.Duration(*ask.TTL)*time.Second))
	}
	if ask.ExpiresIn != nil {
		options = append(options, hotcable.ExpiresIn(time.Duration(*ask.ExpiresIn)*time.Second))
	}
	switch ask.Do {
	case "sign_stream":
		return hotcable.SignStream(ask.Stream, options...)
	case "issue_token":
		return hotcable.IssueToken(ask.Identity, options...)
	case "stream_from":
		return hotcable.StreamFrom(ask.Stream, ask.Position, options...)
	case "source_tag":
		return hotcable.SourceTag(ask.Streams, ask.Position, ask.Identity, options...)
	case "wants_turbo_stream":
		if hotcable.WantsTurboStream(ask.Accept) {
			return hotcable.TurboStreamType, nil
		}
		return "", nil
	case "script_tag":
		url, nonce := hotcable.URL(ask.URL), hotcable.Nonce(ask.Nonce)
		return hotcable.ScriptTag(url, nonce, hotcable.Drive(ask.Drive == nil || *ask.Drive)), nil
	case "turbo_stream":
		target := hotcable.None
		if ask.Target != nil {
			target = *ask.Target
		}
		return hotcable.TurboStream(ask.Action, target, ask.HTML, pairs(ask.Attributes)...), nil
	case "broadcast_key":
		return hotcable.BroadcastKey(options...)
	case "position":
		given := []any{hotcable.URL(ask.URL), hotcable.Key(ask.Key)}
		for _, stream := range ask.Streams {
			given = append(given, stream)
		}
		return hotcable.Position(given...), nil
	case "publication":
		return hotcable.Publication(ask.Stream, ask.HTML, options...)
	case "broadcast":
		return "", hotcable.Broadcast(ask.Stream, ask.HTML, options...)
	case "publish":
		return "", hotcable.Publish(ask.Publications, options...)
	case "disconnect":
		return "", hotcable.Disconnect(ask.Identity, ask.Reconnect, options...)
	case "answer_subscribe":
		var seen string
		status, answer, err := hotcable.AnswerSubscribe(ask.Authorization, ask.Body, func(identity any, stream string,
			headers map[string]string) (bool, time.Time, error) {
			if headers == nil {
				headers = map[string]string{}
			}
			seen = " " + text([]any{identity, stream, headers})
			if seconds, is := ask.Allow.(float64); is {
				return true, time.Unix(int64(seconds), 0), nil
			}
			return ask.Allow == true, time.Time{}, nil
		}, options...)
		return strconv.Itoa(status) + " " + answer + seen, err
	}
	return "", errors.New("do what?")
}

func text(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.Encode(value)
	return strings.TrimSpace(out.String())
}

// Names and values by turns, in the order given; null stands for None.
func pairs(attributes json.RawMessage) (pairs []string) {
	decoder := json.NewDecoder(bytes.NewReader(attributes))
	for {
		token, err := decoder.Token()
		if err != nil {
			return pairs
		}
		if text, ok := token.(string); ok {
			pairs = append(pairs, text)
		} else if token == nil {
			pairs = append(pairs, hotcable.None)
		}
	}
}
