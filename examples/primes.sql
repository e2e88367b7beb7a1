-- The prime numbers below 10000, counted by their last digit.
CREATE TEMPORARY VIEW numbers AS
SELECT id AS number FROM range(2, 10000);

CREATE TEMPORARY VIEW multiples AS
SELECT DISTINCT explode(sequence(number * number, 9999, number)) AS number
FROM numbers
WHERE number < 100;

SELECT number % 10 AS last_digit, count(*) AS primes
FROM numbers LEFT ANTI JOIN multiples USING (number)
GROUP BY last_digit
ORDER BY last_digit;
