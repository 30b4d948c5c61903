import { describe, expect, it } from "vitest";
import { acceptRule, answerOf, bytes, count, gateRule, hasConfidence, meaning, isFraction, isTentative, likeness, metricName, metricNumber, metricValue, milliseconds, moment, number, outputOf, percent, remark, spoken, why } from "../src/format";
import { model, prediction } from "./fakes";

describe("figures", () => {
  it("never rounds up to certainty", () => {
    expect(percent(0.9731)).toBe("97.3%");
    expect(percent(0.99996)).toBe(">99.9%");
    expect(percent(1)).toBe("100.0%");
    expect(percent(0.00001)).toBe("<0.1%");
    expect(percent(0)).toBe("0.0%");
    expect(percent(Number.NaN)).toBe("–");
  });

  it("keeps the digits that matter", () => {
    expect([number(6.1234), number(0.99312), number(0), number(12_345.6), number(-3.5)]).toEqual(["6.123", "0.9931", "0", "12,346", "-3.5"]);
    expect([milliseconds(3.14), milliseconds(42.4), milliseconds(1234), milliseconds(61_000)]).toEqual(["3.1 ms", "42 ms", "1.2 s", "61 s"]);
    expect([bytes(12), bytes(34_567), bytes(5_600_000)]).toEqual(["12 B", "35 kB", "5.6 MB"]);
    expect([count(1, "image"), count(1200, "image")]).toEqual(["1 image", "1,200 images"]);
  });

  it("shows a figure as it states how it is read", () => {
    expect(metricName("mean absolute error of Age_2")).toBe("Mean absolute error of Age_2");
    const formats = ["percent", "points", "decimals", "significant"] as const;
    expect(formats.map((format) => metricNumber({ format }, 0.80321))).toEqual(["80.3%", "80.3 points", "0.803", "0.8032"]);
    expect(formats.map((format) => isFraction({ format }))).toEqual([true, false, false, false]);
    expect(metricValue({ format: "decimals", unit: "grades", value: 0.5379 })).toBe("0.538 grades");
    expect(metricValue({ format: "percent", unit: "", value: 0.8 })).toBe("80.0%");
    expect(remark({ note: "0: sure and right every time", better: "lower" })).toBe("0: sure and right every time; lower is better");
    expect(remark({ note: "", better: "higher" })).toBe("");
  });

  it("leaves the date out of today's times", () => {
    const now = new Date(2026, 10, 21, 20, 0);
    expect(moment(new Date(2026, 10, 21, 9, 5, 7).toISOString(), now)).toBe("today, 09:05:07");
    expect(moment(new Date(2026, 9, 2, 9, 5, 7).toISOString(), now)).toBe("2 Oct, 09:05:07");
    expect(moment(new Date(2025, 9, 2, 9, 5, 7).toISOString(), now)).toContain("2025");
    expect(moment("never", now)).toBe("never");
  });
});

describe("answers", () => {
  const numbers = prediction({ label: null, probs: {}, confidence: 0, verdict: "review", values: { age: { value: 31.25, low: 25, high: 37 } } });
  const graded = prediction({ label: "middle", values: { "expected grade": { value: 1.8, low: 1, high: 2 } } });
  const unreadable = prediction({ label: null, probs: {}, verdict: "unreadable", error: "truncated: ends early" });

  it("say the label, the labels or the numbers", () => {
    expect(answerOf(prediction())).toBe("grizzly");
    expect(answerOf(prediction({ label: null, labels: ["a", "b"] }))).toBe("a, b");
    expect(answerOf(prediction({ label: null }))).toBe("None of the labels");
    expect(answerOf(numbers)).toBe("age 31.25");
    expect(answerOf(graded)).toBe("middle");
    expect(answerOf(unreadable)).toBe("Could not be read");
  });

  it("mean something", () => {
    expect(meaning(prediction(), model())).toBe("The model may answer alone: its confidence of 97.3% reaches 85.0%.");
    const reasons = [
      { code: "low-confidence", text: "its confidence, 0.5, is below 0.85" },
      { code: "a-rule", text: "it resembles nothing" },
    ];
    const doubted = prediction({ verdict: "review", confidence: 0.5, reasons });
    expect(why(doubted)).toBe("its confidence, 0.5, is below 0.85; it resembles nothing");
    expect(meaning(doubted, model())).toBe(`A person should look: ${why(doubted)}.`);
    expect(meaning(prediction({ verdict: "review" }))).toContain("A person should look");
    expect(meaning(numbers, model({ accept: null }))).toContain("A person should look");
    expect(meaning(unreadable)).toBe("The file could not be read as an image: truncated: ends early");
    expect([prediction(), graded, numbers, unreadable].map(hasConfidence)).toEqual([true, true, false, false]);
  });

  it("of an image unlike those trained on are none", () => {
    const outside = prediction({ verdict: "out_of_domain", p_in_domain: 0.004, reasons: [{ code: "out-of-domain", text: "unlike anything it was trained on" }, { code: "low-confidence", text: "its confidence is low" }] });
    expect([answerOf(outside), outputOf(outside), spoken(outside)]).toEqual(["No answer", "grizzly", "No answer"]);
    expect(outputOf({ ...outside, label: null })).toBe("none of the labels");
    expect(meaning(outside, model())).toBe("The answer says nothing: unlike anything it was trained on.");
    expect(meaning({ ...outside, reasons: [] })).toBe("The answer says nothing: the image is unlike those the model was trained on.");
    expect(likeness(outside)).toBe("In-domain p-value: 0.004.");
    expect(likeness({ ...outside, reasons: [] })).toBe("Of images like those it was trained on, 0.4% look as unlike them as this one.");
    expect(likeness(prediction({ p_in_domain: 0.63 }))).toBe("Of images like those it was trained on, 63.0% look as unlike them as this one, or more so.");
    expect(likeness(prediction())).toBe("");
    expect([hasConfidence(outside), isTentative(outside)]).toEqual([false, true]);
  });

  it("the rule in words", () => {
    expect(acceptRule(model())).toContain("Accepts answers from confidence 0.85 on");
    expect(acceptRule(model({ accept: null }))).toContain("Every answer goes before a person");
    const gate = { words: "images unlike those trained on, and at most 5 % (on average) of those like them; from 900 independent ones", false_alarm: 0.05, mode: "marginal" as const, calibrated_on: 900 };
    expect(gateRule(model({ gate }))).toBe(`Turns away ${gate.words}.`);
    expect(gateRule(model())).toContain("Has no gate");
  });
});

describe("suggestions", () => {
  it("are told as such for every kind of answer, and nothing else is", () => {
    const review = { verdict: "review" as const };
    expect(spoken(prediction(review))).toBe("maybe grizzly, a person should look");
    expect(spoken(prediction({ ...review, label: null, labels: ["disc", "square"] }))).toBe("maybe disc, square, a person should look");
    expect(spoken(prediction({ ...review, label: null }))).toBe("maybe none of the labels, a person should look");
    expect(spoken(prediction({ ...review, label: null, probs: {}, values: { age: { value: 31, low: 25, high: 37 } } }))).toBe("maybe age 31, a person should look");
    expect(spoken(prediction())).toBe("grizzly");
    expect(spoken(prediction({ verdict: "unreadable", label: null }))).toBe("Could not be read");
  });
});
