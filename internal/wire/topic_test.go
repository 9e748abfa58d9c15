package wire

import "testing"

func TestTopic(t *testing.T) {
	for message, want := range map[string]string{
		`{"type":"axm:monitor","data":{"type":"x"}}`:    "axm:monitor",
		`{"data":{"type":"x"}, "type" : "human:event"}`: "human:event",
		`{"type":7}`:                "",
		`{"data":{"type":"x"}}`:     "",
		`"type"`:                    "",
		`["type","x"]`:              "",
		`{"type":"a","data":{bro`:   "a",
		`{"\u0074ype":"axm:reply"}`: "axm:reply",
		"":                          "",
	} {
		if got := Topic([]byte(message)); got != want {
			t.Errorf("Topic(%s) = %q, want %q", message, got, want)
		}
	}
}
