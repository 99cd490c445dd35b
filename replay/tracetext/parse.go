package tracetext

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// maxLine leaves room for the longest frame in hexadecimal and a comment.
const maxLine = 16 << 10

// Parse reads a trace. Errors that are the text's fault are of type
// [*tracefile.InputError] and name the line and, where there is one, the word;
// both count from 1.
func Parse(r io.Reader) (replay.Trace, error) {
	var t replay.Trace
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		if err := parseLine(&t, scanner.Text()); err != nil {
			return replay.Trace{}, at(n, err)
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return replay.Trace{}, at(n+1, fmt.Errorf("longer than %d bytes", maxLine))
	} else if err != nil {
		return replay.Trace{}, fmt.Errorf("reading trace: %w", err)
	}
	if err := check(t); err != nil {
		return replay.Trace{}, &tracefile.InputError{Err: err}
	}
	return t, nil
}

func check(t replay.Trace) error {
	if err := t.Validate(); err != nil {
		return err
	}
	return tracefile.CheckPipeline(t.Pipeline)
}

func at(line int, err error) error {
	place := fmt.Sprintf("line %d", line)
	if bad, ok := errors.AsType[*wordError](err); ok {
		place = fmt.Sprintf("line %d, word %d", line, bad.n)
	}
	return &tracefile.InputError{Place: place, Err: err}
}

func parseLine(t *replay.Trace, line string) error {
	if !utf8.ValidString(line) {
		return errors.New("not UTF-8")
	}
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	if words[0] == "rule" {
		return parseRule(t, strings.TrimPrefix(strings.TrimSpace(line), "rule"))
	}
	if len(t.Packets) == replay.MaxPackets {
		return fmt.Errorf("more than %d packets", replay.MaxPackets)
	}
	p, err := parsePacket(&wordList{words: words})
	t.Packets = append(t.Packets, p)
	return err
}

func parseRule(t *replay.Trace, rule string) error {
	rule = strings.TrimSpace(rule)
	if len(t.Pipeline) == replay.MaxRules {
		return fmt.Errorf("more than %d rules", replay.MaxRules)
	}
	t.Pipeline = append(t.Pipeline, rule)
	return tracefile.CheckRule(rule)
}

func parsePacket(words *wordList) (replay.Packet, error) {
	var p replay.Packet
	name, err := words.next("a port, or rule")
	if err != nil {
		return p, err
	}
	if p.Port, err = replay.ParsePort(name); err != nil {
		return p, words.wrong(errors.New("neither rule nor one of p1 to p4"))
	}
	gap, err := words.next("a gap such as +800ms")
	if err != nil {
		return p, err
	}
	if p.Gap, err = parseGap(gap); err != nil {
		return p, words.wrong(err)
	}
	p.Frame, err = parseFrame(p.Port, words)
	return p, err
}

func parseGap(text string) (time.Duration, error) {
	if !strings.HasPrefix(text, "+") {
		return 0, errors.New("not a gap: want a + and a duration, such as +800ms")
	}
	gap, err := time.ParseDuration(text)
	if err != nil || gap < 0 || gap > replay.MaxGap {
		return 0, fmt.Errorf("not a gap: want a duration from +0s to +%v", replay.MaxGap)
	}
	return gap, nil
}

func parseFrame(port replay.Port, words *wordList) ([]byte, error) {
	name, err := words.next("hex or a protocol")
	if err != nil {
		return nil, err
	}
	var frame []byte
	if name == "hex" {
		frame, err = parseHex(words)
	} else {
		var p packet
		if p, err = parseWords(port, name, words); err == nil {
			frame, err = p.frame()
		}
	}
	if err != nil {
		return nil, err
	}
	if n := len(frame); n < replay.MinFrame || n > replay.MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes: not %d to %d", n, replay.MinFrame, replay.MaxFrame)
	}
	return frame, nil
}

func parseHex(words *wordList) ([]byte, error) {
	text, err := words.next("the frame in hexadecimal")
	if err != nil {
		return nil, err
	}
	frame, err := hex.DecodeString(text)
	if err != nil {
		return nil, words.wrong(fmt.Errorf("not bytes in hexadecimal: %w", err))
	}
	if words.more() {
		return nil, words.skip().wrong(errors.New("the line should end before this"))
	}
	return frame, nil
}
